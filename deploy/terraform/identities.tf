data "google_project" "this" {
  project_id = var.project_id
}

locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  secrets      = toset(compact([var.api_keys_secret, var.queue_url_secret, var.webhook_secret]))
}

# What the program runs as: it reads inputs, and writes results, which a second attempt replaces.
resource "google_service_account" "runtime" {
  account_id   = "${var.name}-run"
  display_name = "Runs ${var.name}"
}

resource "google_storage_bucket_iam_member" "input" {
  bucket = google_storage_bucket.media["input"].name
  role   = "roles/storage.objectViewer"
  member = google_service_account.runtime.member
}

resource "google_storage_bucket_iam_member" "output" {
  bucket = google_storage_bucket.media["output"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.runtime.member
}

resource "google_storage_bucket_iam_member" "weights" {
  count = var.weights_bucket == null ? 0 : 1

  bucket = var.weights_bucket
  role   = "roles/storage.objectViewer"
  member = google_service_account.runtime.member
}

resource "google_secret_manager_secret_iam_member" "runtime" {
  for_each = local.secrets

  secret_id = each.value
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.runtime.member
}

# Whom Pub/Sub pushes as: it may call the one service and nothing else.
resource "google_service_account" "push" {
  account_id   = "${var.name}-push"
  display_name = "Pushes jobs to ${var.name}"
}

resource "google_service_account_iam_member" "push_token" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}

resource "google_cloud_run_v2_service_iam_member" "push" {
  name     = google_cloud_run_v2_service.this["push"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.push.member
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.invokers

  name     = google_cloud_run_v2_service.this["main"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = var.publishers

  topic  = google_pubsub_topic.jobs.name
  role   = "roles/pubsub.publisher"
  member = each.value
}

# Pub/Sub moves a dead letter itself: it publishes it, and acknowledges the original.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letters" {
  subscription = google_pubsub_subscription.push.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
