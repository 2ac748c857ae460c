output "url" {
  description = "Address of the service."
  value       = google_cloud_run_v2_service.this["main"].uri
}

output "topic" {
  description = "Topic that takes jobs."
  value       = google_pubsub_topic.jobs.id
}

output "dead_letters" {
  description = "Subscription that holds jobs which failed five times."
  value       = google_pubsub_subscription.dead_letters.id
}

output "buckets" {
  description = "URLs of the buckets for inputs and results."
  value       = { for name, bucket in google_storage_bucket.media : name => "gs://${bucket.name}" }
}

output "service_account" {
  description = "What the program runs as; give it access to buckets of yours."
  value       = google_service_account.runtime.email
}
