#!/usr/bin/env bash
# Runs one job from its creation to its end, with nothing but bash and curl.
#
#   run-job.sh VIDEO_IN AUDIO_IN OUT
#
# The three are URLs as the service takes them: https, gs, s3 or file, or for the inputs
# upload:ID and for OUT upload: (the service keeps the result itself). An input that is the path
# of a file here is uploaded first. Environment:
#
#   LATENTSYNC_URL      where the service is; default http://127.0.0.1:8080
#   LATENTSYNC_API_KEY  sent as X-API-Key
#   INFERENCE_STEPS     default: the service's own, 20
#   RESULT              file that a result which the service keeps is saved as
set -euo pipefail

if [ $# -ne 3 ]; then
  echo "usage: $0 VIDEO_IN AUDIO_IN OUT" >&2
  exit 2
fi
url=${LATENTSYNC_URL:-http://127.0.0.1:8080}

# call METHOD PATH [curl's arguments]: the answer's body, then its status on a line of its own
call() {
  local method=$1 path=$2
  shift 2
  curl --silent --show-error --request "$method" --write-out '\n%{http_code}' \
    ${LATENTSYNC_API_KEY:+--header "X-API-Key: $LATENTSYNC_API_KEY"} "$@" "$url$path"
}

# field NAME: the text of the first such member of the JSON on stdin
field() {
  sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1
}

# quote TEXT: as a JSON string
quote() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# expect STATUS ANSWER: the body of an answer, if it has the status
expect() {
  if [ "${2##*$'\n'}" != "$1" ]; then
    echo "expected $1, but got ${2##*$'\n'}: ${2%$'\n'*}" >&2
    return 1
  fi
  printf '%s' "${2%$'\n'*}"
}

# locate INPUT TYPE: the URL of an input; a file is uploaded
locate() {
  if [ ! -f "$1" ]; then
    printf '%s' "$1"
    return
  fi
  local answer
  answer=$(call PUT /uploads --header "Content-Type: $2" --upload-file "$1")
  expect 201 "$answer" | field url
}

video=$(locate "$1" video/mp4)
audio=$(locate "$2" audio/wav)
body="{\"video_in\":$(quote "$video"),\"audio_in\":$(quote "$audio"),\"out\":$(quote "$3")"
body+="${INFERENCE_STEPS:+,\"inference_steps\":$INFERENCE_STEPS}}"

# The key makes it safe to send the request again: it is the same job.
key="run-job-$$-${RANDOM}${RANDOM}"
answer=$(call POST /jobs --header 'Content-Type: application/json' \
  --header "Idempotency-Key: $key" --data-binary "$body" \
  --retry 5 --retry-all-errors --retry-max-time 60)
accepted=$(expect 202 "$answer")
job=$(printf '%s' "$accepted" | field job_id)
echo "202 job $job"

# The log ends with the job. If the connection breaks, the status below still tells the end.
call GET "/jobs/$job/log?follow=1" --no-buffer --write-out '\n' || true

while :; do
  view=$(expect 200 "$(call GET "/jobs/$job")")
  status=$(printf '%s' "$view" | field status)
  case $status in
    completed) break ;;
    failed)
      echo "failed: $view" >&2
      exit 1
      ;;
  esac
  sleep 1
done
echo "completed $3"

if [ "$3" = upload: ] && [ -n "${RESULT:-}" ]; then
  curl --silent --show-error --fail --output "$RESULT" \
    ${LATENTSYNC_API_KEY:+--header "X-API-Key: $LATENTSYNC_API_KEY"} "$url/jobs/$job/result"
  echo "saved $RESULT"
fi
