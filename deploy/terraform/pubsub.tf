locals {
  retention = "${7 * 24 * 60 * 60}s"
}

resource "google_pubsub_topic" "jobs" {
  name                       = "${var.name}-jobs"
  message_retention_duration = local.retention
}

resource "google_pubsub_subscription" "push" {
  name                       = "${var.name}-push"
  topic                      = google_pubsub_topic.jobs.id
  ack_deadline_seconds       = var.push.ack_deadline_seconds
  message_retention_duration = local.retention

  push_config {
    push_endpoint = "${google_cloud_run_v2_service.this["push"].uri}/pubsub"
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = google_cloud_run_v2_service.this["push"].uri
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = 5
  }

  # Never, however long nothing is published.
  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic" "dead_letters" {
  name                       = "${var.name}-dead-letters"
  message_retention_duration = local.retention
}

# Without a subscription a dead letter would be gone at once.
resource "google_pubsub_subscription" "dead_letters" {
  name                       = "${var.name}-dead-letters"
  topic                      = google_pubsub_topic.dead_letters.id
  message_retention_duration = local.retention

  expiration_policy {
    ttl = ""
  }
}
