mock_provider "google" {}

variables {
  project_id = "example-project"
}

# A plan: what prevent_destroy holds could not be taken down after the test.
run "state" {
  command = plan
  assert {
    condition     = google_storage_bucket.state.name == "example-project-terraform-state"
    error_message = "The bucket is named after the project."
  }
  assert {
    condition     = google_storage_bucket.state.versioning[0].enabled
    error_message = "States can be brought back."
  }
  assert {
    condition = (
      google_storage_bucket.state.public_access_prevention == "enforced" &&
      google_storage_bucket.state.uniform_bucket_level_access
    )
    error_message = "The bucket is private."
  }
}
