terraform {
  # 1.9 lets a validation compare two variables.
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.45, < 9.0"
    }
  }

  # terraform init -backend-config="bucket=${PROJECT_ID}-terraform-state"
  backend "gcs" {
    prefix = "latentsync"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}
