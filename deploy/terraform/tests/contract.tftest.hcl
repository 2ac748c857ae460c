# The figures that the service promises, on a mocked provider: nothing is created.
mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://service.example.run.app" }
  }
  mock_resource "google_service_account" {
    defaults = {
      name   = "projects/example-project/serviceAccounts/a@example-project.iam.gserviceaccount.com"
      email  = "a@example-project.iam.gserviceaccount.com"
      member = "serviceAccount:a@example-project.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id = "example-project"
  image      = "us-central1-docker.pkg.dev/example-project/latentsync/server:1"
}

run "service" {
  assert {
    condition     = google_cloud_run_v2_service.this["main"].name == "latentsync-production"
    error_message = "The service is latentsync-production."
  }
  assert {
    condition = alltrue([
      for scaling in [for service in google_cloud_run_v2_service.this : service.template[0].scaling[0]] :
      scaling.min_instance_count == 0 && scaling.max_instance_count == 10
    ])
    error_message = "0 to 10 instances."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].containers[0].resources[0].limits == tomap({
        "cpu" = "4", "memory" = "16Gi", "nvidia.com/gpu" = "1"
      })
    ])
    error_message = "4 CPU, 16 GiB, one GPU."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].node_selector[0].accelerator == "nvidia-l4"
    ])
    error_message = "The GPU is an L4."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].containers[0].args == tolist(["serve", "--runtime", "cuda"])
    ])
    error_message = "Jobs run on the GPU."
  }
  assert {
    condition     = google_cloud_run_v2_service.this["main"].template[0].timeout == "900s"
    error_message = "A request may take 900 s."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].max_instance_request_concurrency == 1
    ])
    error_message = "One request at a time."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].containers[0].resources[0].cpu_idle == false &&
      service.template[0].containers[0].resources[0].startup_cpu_boost == true
    ])
    error_message = "The CPU is always allocated, with a boost at the start."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].containers[0].ports[0].container_port == 8080 &&
      service.template[0].containers[0].startup_probe[0].http_get[0].path == "/readyz" &&
      service.template[0].containers[0].liveness_probe[0].http_get[0].path == "/livez"
    ])
    error_message = "Port 8080, ready at /readyz, alive at /livez."
  }
}

run "push" {
  assert {
    condition = (
      "${google_pubsub_subscription.push.ack_deadline_seconds}s" == "600s" &&
      tonumber(trimsuffix(google_cloud_run_v2_service.this["push"].template[0].timeout, "s")) <
      google_pubsub_subscription.push.ack_deadline_seconds
    )
    error_message = "The acknowledgement deadline is longer than the timeout."
  }
  assert {
    condition     = google_pubsub_subscription.push.message_retention_duration == "604800s"
    error_message = "Messages are kept for 7 days."
  }
  assert {
    condition = (
      google_pubsub_subscription.push.retry_policy[0].minimum_backoff == "10s" &&
      google_pubsub_subscription.push.retry_policy[0].maximum_backoff == "600s"
    )
    error_message = "Backoff from 10 to 600 s."
  }
  assert {
    condition = (
      google_pubsub_subscription.push.dead_letter_policy[0].max_delivery_attempts == 5 &&
      google_pubsub_subscription.dead_letters.message_retention_duration == "604800s"
    )
    error_message = "Dead letter after 5, kept for 7 days."
  }
  assert {
    condition = (
      endswith(google_pubsub_subscription.push.push_config[0].push_endpoint, "/pubsub") &&
      google_pubsub_subscription.push.push_config[0].oidc_token[0].service_account_email ==
      google_service_account.push.email
    )
    error_message = "Pushed to /pubsub with an identity token."
  }
  assert {
    condition = (
      google_cloud_run_v2_service.this["push"].ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" &&
      google_cloud_run_v2_service.this["push"].invoker_iam_disabled == false &&
      google_cloud_run_v2_service_iam_member.push.role == "roles/run.invoker"
    )
    error_message = "Nobody but Pub/Sub reaches the push service."
  }
}

run "answers_in_time" {
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      tonumber(one([
        for env in service.template[0].containers[0].env : env.value if env.name == "PROCESS_TIMEOUT_SECONDS"
      ])) < tonumber(trimsuffix(service.template[0].timeout, "s"))
    ])
    error_message = "The program answers before Cloud Run gives up."
  }
}

run "buckets" {
  assert {
    condition = alltrue([
      for bucket in google_storage_bucket.media :
      bucket.public_access_prevention == "enforced" && bucket.uniform_bucket_level_access
    ])
    error_message = "Buckets are private."
  }
  assert {
    condition = alltrue([
      for name, days in { input = 7, output = 14 } : anytrue([
        for rule in google_storage_bucket.media[name].lifecycle_rule :
        one(rule.action[*].type) == "Delete" && one(rule.condition[*].age) == days
      ])
    ])
    error_message = "Inputs are kept for 7 days, results for 14."
  }
}

run "private_by_default" {
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "Nobody may call it until named."
  }
  assert {
    condition     = google_cloud_run_v2_service.this["main"].invoker_iam_disabled == false
    error_message = "Cloud Run admits invokers only."
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      one([for env in service.template[0].containers[0].env : env.value if env.name == "NO_AUTH"]) == "true"
    ])
    error_message = "The program asks for nothing more."
  }
}

run "large" {
  variables {
    machine = "large"
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this :
      service.template[0].containers[0].resources[0].limits == tomap({
        "cpu" = "8", "memory" = "32Gi", "nvidia.com/gpu" = "1"
      })
    ])
    error_message = "8 CPU, 32 GiB."
  }
}

run "weights_mounted" {
  variables {
    weights_bucket = "example-weights"
  }
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.this : anytrue([
        for volume in service.template[0].volumes :
        volume.name == "weights" && try(volume.gcs[0].read_only, false)
      ])
    ])
    error_message = "Weights are mounted read-only."
  }
}

run "secrets" {
  variables {
    api_keys_secret  = "api-keys"
    queue_url_secret = "queue-url"
    webhook_secret   = "webhooks"
  }
  assert {
    condition = alltrue([
      for key, names in {
        main = ["API_KEYS", "QUEUE_URL", "WEBHOOK_SECRET"], push = ["QUEUE_URL", "WEBHOOK_SECRET"]
        } : toset(names) == toset([
          for env in google_cloud_run_v2_service.this[key].template[0].containers[0].env : env.name
          if length(env.value_source) > 0
      ])
    ])
    error_message = "Secrets come from Secret Manager."
  }
  assert {
    condition     = length(google_secret_manager_secret_iam_member.runtime) == 3
    error_message = "The program may read them, and no others."
  }
  assert {
    condition = {
      for key, service in google_cloud_run_v2_service.this : key => anytrue([
        for env in service.template[0].containers[0].env : env.name == "NO_AUTH"
      ])
    } == { main = false, push = true }
    error_message = "Clients show a key, Pub/Sub does not."
  }
}

run "verified_by_the_program" {
  variables {
    google_identity = {
      audience = "https://latentsync.example.com"
      emails   = ["caller@example-project.iam.gserviceaccount.com"]
    }
  }
  assert {
    condition = google_cloud_run_v2_service.this["main"].invoker_iam_disabled && contains(
      [for env in google_cloud_run_v2_service.this["main"].template[0].containers[0].env : env.name],
      "GOOGLE_AUDIENCE",
    )
    error_message = "Tokens reach the program with their signatures."
  }
  assert {
    condition = !google_cloud_run_v2_service.this["push"].invoker_iam_disabled && !contains(
      [for env in google_cloud_run_v2_service.this["push"].template[0].containers[0].env : env.name],
      "GOOGLE_AUDIENCE",
    )
    error_message = "Cloud Run goes on verifying what Pub/Sub pushes."
  }
}
