variable "project_id" {
  description = "Google Cloud project."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project's id: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region that offers the accelerator on Cloud Run."
  type        = string
  default     = "us-central1"
}

variable "name" {
  description = "Name of the service; what belongs to it is named after it."
  type        = string
  default     = "latentsync-production"

  validation {
    # The longest name made of it is a service account's, of at most 30 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{3,22}[a-z0-9]$", var.name))
    error_message = "name must have 5 to 24 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "image" {
  description = "Image of the cuda target of deploy/Dockerfile, by digest where it matters."
  type        = string

  validation {
    condition     = can(regex("[@:]", var.image))
    error_message = "image must name a tag or, better, a digest."
  }
}

variable "machine" {
  description = "standard: 4 CPU, 16 GiB. large: 8 CPU, 32 GiB."
  type        = string
  default     = "standard"

  validation {
    condition     = contains(["standard", "large"], var.machine)
    error_message = "machine must be standard or large."
  }
}

variable "accelerator" {
  description = "GPU of each instance, as Cloud Run names it."
  type        = string
  default     = "nvidia-l4"
}

variable "gpu_zonal_redundancy" {
  description = "Whether capacity is kept in a second zone. It costs more and needs a quota of its own."
  type        = bool
  default     = false
}

variable "min_instances" {
  description = "Instances of the service that are kept running, and paid for, without work."
  type        = number
  default     = 0

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= var.max_instances
    error_message = "min_instances must be from 0 to max_instances."
  }
}

variable "max_instances" {
  description = "Most instances of the service at a time."
  type        = number
  default     = 10

  validation {
    condition     = var.max_instances >= 1
    error_message = "max_instances must be at least 1."
  }
}

variable "timeout_seconds" {
  description = "How long a request to the service may take, POST /process for example."
  type        = number
  default     = 900

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 3600
    error_message = "timeout_seconds must be from 1 to 3600, which Cloud Run allows."
  }
}

variable "push" {
  description = <<-EOT
    The service that Pub/Sub pushes to. The acknowledgement deadline must be longer than the
    timeout, or a message is delivered again while its job still runs; Pub/Sub allows 600 seconds at
    most. Work that takes longer is for POST /process or POST /jobs.
  EOT
  type = object({
    timeout_seconds      = optional(number, 570)
    ack_deadline_seconds = optional(number, 600)
    max_instances        = optional(number, 10)
  })
  default = {}

  validation {
    condition     = var.push.ack_deadline_seconds >= 10 && var.push.ack_deadline_seconds <= 600
    error_message = "push.ack_deadline_seconds must be from 10 to 600, which Pub/Sub allows."
  }
  validation {
    condition     = var.push.timeout_seconds >= 1 && var.push.timeout_seconds < var.push.ack_deadline_seconds
    error_message = "push.timeout_seconds must be shorter than push.ack_deadline_seconds."
  }
  validation {
    condition     = var.push.max_instances >= 1
    error_message = "push.max_instances must be at least 1."
  }
}

variable "data_size" {
  description = "Size of DATA_DIR. It lies in the instance's memory and counts against it."
  type        = string
  default     = "4Gi"
}

variable "weights_bucket" {
  description = "Bucket with the model's files, mounted read-only at WEIGHTS_DIR. null: they are in the image."
  type        = string
  default     = null
}

variable "queue_url_secret" {
  description = <<-EOT
    Secret Manager secret with the redis:// or postgres:// URL of a queue that all instances share;
    needed for POST /jobs, as an instance's own queue goes with the instance. null: each instance
    has its own.
  EOT
  type        = string
  default     = null
}

variable "network" {
  description = "VPC network and subnetwork through which a queue at a private address is reached."
  type = object({
    network    = string
    subnetwork = string
  })
  default = null
}

variable "google_identity" {
  description = <<-EOT
    null: Cloud Run itself admits only invokers. Otherwise Cloud Run admits everybody to the service
    and the program verifies identity tokens of this audience for these accounts. One or the other:
    Cloud Run takes the signature off the tokens that it has verified.
  EOT
  type = object({
    audience = string
    emails   = set(string)
  })
  default = null

  validation {
    condition     = var.google_identity == null ? true : length(var.google_identity.emails) > 0
    error_message = "google_identity.emails must name at least one account."
  }
}

variable "api_keys_secret" {
  description = "Secret Manager secret with the JSON list of API keys. null: none."
  type        = string
  default     = null
}

variable "webhook_secret" {
  description = "Secret Manager secret with the signing secret of webhooks. null: none."
  type        = string
  default     = null
}

variable "environment" {
  description = "More environment variables of the program."
  type        = map(string)
  default     = {}

  validation {
    condition     = !contains(keys(var.environment), "PORT")
    error_message = "environment must not set PORT, which Cloud Run does."
  }
}

variable "price_per_hour" {
  description = "US dollars for an hour of an instance, for the cost of jobs."
  type        = number
  default     = 0.73
}

variable "invokers" {
  description = "Who may call the service, such as user:a@example.com or serviceAccount:b@..."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setintersection(var.invokers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "invokers must be named: a public service would let anybody spend GPU time."
  }
}

variable "publishers" {
  description = "Who may publish jobs to the topic."
  type        = set(string)
  default     = []
}

variable "input_retention_days" {
  description = "Days until an input is deleted."
  type        = number
  default     = 7
}

variable "output_retention_days" {
  description = "Days until a result is deleted."
  type        = number
  default     = 14
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to destroy the services."
  type        = bool
  default     = true
}
