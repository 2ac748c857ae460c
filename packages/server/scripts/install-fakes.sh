#!/bin/sh
# Installs the fake object stores that the storage tests run against, with Go 1.26 or newer, into
# .fakes of this package or the folder that OBJECT_STORE_FAKES names. Without them those tests skip.
set -eu
folder="${OBJECT_STORE_FAKES:-$(cd "$(dirname "$0")/.." && pwd)/.fakes}"
mkdir -p "$folder"
GOBIN="$folder" go install github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0
GOBIN="$folder" go install github.com/fsouza/fake-gcs-server@v1.56.1
