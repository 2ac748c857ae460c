locals {
  container_port = 8080
  data_dir       = "/data"
  weights_dir    = "/weights"

  machine = {
    standard = { cpu = "4", memory = "16Gi" }
    large    = { cpu = "8", memory = "32Gi" }
  }[var.machine]

  # Two services of one image: Pub/Sub's longest deadline is shorter than the timeout that
  # POST /process needs.
  services = {
    main = {
      name            = var.name
      timeout_seconds = var.timeout_seconds
      min_instances   = var.min_instances
      max_instances   = var.max_instances
      ingress         = "INGRESS_TRAFFIC_ALL"
      identity        = var.google_identity
      api_keys        = var.api_keys_secret[*]
    }
    push = {
      name            = "${var.name}-push"
      timeout_seconds = var.push.timeout_seconds
      min_instances   = 0
      max_instances   = var.push.max_instances
      ingress         = "INGRESS_TRAFFIC_INTERNAL_ONLY"
      identity        = null
      api_keys        = []
    }
  }

  environment = merge(
    {
      HOST           = "0.0.0.0"
      DATA_DIR       = local.data_dir
      WEIGHTS_DIR    = local.weights_dir
      WORKERS        = "1"
      PRICE_PER_HOUR = tostring(var.price_per_hour)
    },
    var.environment,
  )

  # What differs between the two.
  service_environment = {
    for key, service in local.services : key => merge(
      # Answered before Cloud Run ends the request without an answer.
      { PROCESS_TIMEOUT_SECONDS = tostring(max(1, service.timeout_seconds - 30)) },
      # Without credentials of its own the program leaves it to Cloud Run who gets in.
      service.identity == null && length(service.api_keys) == 0 ? { NO_AUTH = "true" } : {},
      service.identity == null ? {} : {
        GOOGLE_AUDIENCE = service.identity.audience
        GOOGLE_EMAILS   = join(",", service.identity.emails)
      },
    )
  }

  secret_environment = {
    for key, service in local.services : key => { for name, secret in {
      API_KEYS       = one(service.api_keys)
      QUEUE_URL      = var.queue_url_secret
      WEBHOOK_SECRET = var.webhook_secret
    } : name => secret if secret != null }
  }
}

resource "google_cloud_run_v2_service" "this" {
  for_each = local.services

  name                 = each.value.name
  location             = var.region
  ingress              = each.value.ingress
  deletion_protection  = var.deletion_protection
  invoker_iam_disabled = each.value.identity != null

  template {
    service_account                  = google_service_account.runtime.email
    timeout                          = "${each.value.timeout_seconds}s"
    max_instance_request_concurrency = 1
    gpu_zonal_redundancy_disabled    = !var.gpu_zonal_redundancy

    scaling {
      min_instance_count = each.value.min_instances
      max_instance_count = each.value.max_instances
    }

    node_selector {
      accelerator = var.accelerator
    }

    containers {
      image = var.image
      # Rather a start that fails than jobs that run on the CPU at a GPU's price.
      args = ["serve", "--runtime", "cuda"]

      ports {
        container_port = local.container_port
      }

      resources {
        limits = {
          "cpu"            = local.machine.cpu
          "memory"         = local.machine.memory
          "nvidia.com/gpu" = "1"
        }
        # The CPU is always allocated: work goes on after the answer, and GPUs need it.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = merge(local.environment, local.service_environment[each.key])
        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = local.secret_environment[each.key]
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      volume_mounts {
        name       = "data"
        mount_path = local.data_dir
      }

      dynamic "volume_mounts" {
        for_each = var.weights_bucket == null ? [] : ["weights"]
        content {
          name       = volume_mounts.value
          mount_path = local.weights_dir
        }
      }

      # 240 s, the most that Cloud Run allows, to load the model.
      startup_probe {
        period_seconds    = 5
        timeout_seconds   = 3
        failure_threshold = 48
        http_get {
          path = "/readyz"
          port = local.container_port
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/livez"
          port = local.container_port
        }
      }
    }

    volumes {
      name = "data"
      empty_dir {
        medium     = "MEMORY"
        size_limit = var.data_size
      }
    }

    dynamic "volumes" {
      for_each = var.weights_bucket == null ? [] : [var.weights_bucket]
      content {
        name = "weights"
        gcs {
          bucket    = volumes.value
          read_only = true
        }
      }
    }

    dynamic "vpc_access" {
      for_each = var.network == null ? [] : [var.network]
      content {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          network    = vpc_access.value.network
          subnetwork = vpc_access.value.subnetwork
        }
      }
    }
  }

  depends_on = [
    google_secret_manager_secret_iam_member.runtime,
    google_storage_bucket_iam_member.weights,
  ]
}
