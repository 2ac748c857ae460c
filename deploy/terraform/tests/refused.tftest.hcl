# Values that would break a promise are refused before anything is planned.
mock_provider "google" {}

variables {
  project_id = "example-project"
  image      = "example/server:1"
}

run "deadline_beyond_pubsub" {
  command = plan
  variables {
    push = { timeout_seconds = 900, ack_deadline_seconds = 960 }
  }
  expect_failures = [var.push]
}

run "timeout_as_long_as_deadline" {
  command = plan
  variables {
    push = { timeout_seconds = 600 }
  }
  expect_failures = [var.push]
}

run "fewer_than_minimum" {
  command = plan
  variables {
    min_instances = 11
  }
  expect_failures = [var.min_instances]
}

run "public" {
  command = plan
  variables {
    invokers = ["allUsers"]
  }
  expect_failures = [var.invokers]
}

run "port" {
  command = plan
  variables {
    environment = { PORT = "9000" }
  }
  expect_failures = [var.environment]
}

run "anybody_with_a_google_account" {
  command = plan
  variables {
    google_identity = { audience = "https://latentsync.example.com", emails = [] }
  }
  expect_failures = [var.google_identity]
}
