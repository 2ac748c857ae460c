#!/usr/bin/env bash
# Measures this project on a machine with an NVIDIA GPU, in steps that can be cut off and gone on with.
#
#   gpu-session.sh pack DIR [MIB]   on a machine with network: everything that a machine without one
#                                   needs, as DIR/part.000, part.001, ... of at most MIB (48) MiB
#   gpu-session.sh receive DIR      on the GPU machine: keeps the parts that lie in DIR; once all are
#                                   there, checks and unpacks them. Call it once for every load of parts
#   gpu-session.sh all              runs the steps that are not done yet, until the time is up
#   gpu-session.sh STEP...          runs these steps again, whether done or not
#   gpu-session.sh steps            lists the steps and which are done
#   gpu-session.sh report           writes report.md and results.tar.gz of what is done
#
# Variables, all optional:
#   RUNTIME   runtime to measure: cuda, cpu, webgpu, openvino (default: cuda)
#   SIZES     sizes of the networks (default: "256 512"; "small" tries the script out)
#   ROUNDS    measured runs (default: 5)
#   SECONDS_OF_VIDEO  length of the whole run's clip (default: 4)
#   WORK      where everything is kept between calls (default: /tmp/latentsync-gpu)
#   OUT       where the report and results go (default: $WORK/out)
#   LIMIT_S   no step is begun after so many seconds, and a step ends then (default: 570)
#
# A step's results lie in $WORK/results/RUNTIME/STEP*; a step that failed is tried again by `all`.
set -euo pipefail

RUNTIME=${RUNTIME:-cuda}
SIZES=${SIZES:-256 512}
ROUNDS=${ROUNDS:-5}
SECONDS_OF_VIDEO=${SECONDS_OF_VIDEO:-4}
WORK=${WORK:-/tmp/latentsync-gpu}
OUT=${OUT:-$WORK/out}
LIMIT_S=${LIMIT_S:-570}
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
RESULTS=$WORK/results/$RUNTIME
NETWORKS=whisper,vae-encode,unet-step,vae-decode

# Settings that trade quality for work, each measured against exact.
LEVERS=(
  "deepcache2 --deepcache-interval 2"
  "deepcache3 --deepcache-interval 3"
  "dpm10 --scheduler dpmsolver++ --inference-steps 10"
  "unipc10 --scheduler unipc --inference-steps 10"
  "guidance-band --guidance-interval 0.25,0.75"
  "balanced --quality balanced"
  "fast --quality fast"
)

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
left() { echo $((LIMIT_S - SECONDS)); }

# --- Moving everything to the machine -------------------------------------------------------------

pack() {
  local dir=$1 mib=${2:-48} list
  list=$(mktemp)
  mkdir -p "$dir" "$WORK"
  rm -f "$dir"/part.* "$dir"/SHA256SUMS
  (cd "$ROOT" && npx tsc -b)
  export PATH=$ROOT/node_modules/.bin:$PATH
  (cd "$ROOT" && node benchmarks/gpu/pack-list.ts) >"$list"
  if [ "$RUNTIME" = cuda ]; then
    LATENTSYNC_HOME=$WORK/home program runtime install cuda >&2
    # Taken along as it was installed: the machine has no network to install from.
    tar -C "$ROOT" --files-from "$list" -cf "$WORK/pack.tar"
    tar -C "$WORK" -rf "$WORK/pack.tar" home/runtimes
  else
    tar -C "$ROOT" --files-from "$list" -cf "$WORK/pack.tar"
  fi
  xz -T0 -6 -c "$WORK/pack.tar" | split -b "${mib}M" -d -a 3 - "$dir/part."
  rm -f "$WORK/pack.tar" "$list"
  (cd "$dir" && sha256sum part.* >SHA256SUMS && ls -l part.*)
}

receive() {
  local dir=$1 keep=$WORK/parts
  mkdir -p "$keep"
  cp "$dir"/SHA256SUMS "$keep"/
  for part in "$dir"/part.*; do
    if [ -e "$part" ]; then cp "$part" "$keep"/; fi
  done
  if ! (cd "$keep" && sha256sum --quiet -c SHA256SUMS 2>/dev/null); then
    say "there are $(find "$keep" -name 'part.*' | wc -l) of $(wc -l <"$keep/SHA256SUMS") parts"
    return 0
  fi
  mkdir -p "$WORK/tree"
  cat "$keep"/part.* | xz -d | tar -C "$WORK/tree" -xf -
  rm -rf "$keep"
  if [ -d "$WORK/tree/home" ]; then
    mkdir -p "$WORK/home"
    cp -a "$WORK/tree/home/." "$WORK/home/" && rm -rf "$WORK/tree/home"
  fi
  # The checkout brings the sources, and the parts what git ignores.
  cp -a "$WORK/tree/." "$ROOT/"
  rm -rf "$WORK/tree"
  say "unpacked into $ROOT and $WORK/home"
}

# --- The environment of a run ---------------------------------------------------------------------

# CUDA's libraries where nothing has put them on the library path: those of a Python's wheels.
find_libraries() {
  command -v python3 >/dev/null || return 0
  python3 - <<'PYTHON' 2>/dev/null || true
import glob, sysconfig
print(":".join(glob.glob(sysconfig.get_path("purelib") + "/nvidia/*/lib")))
PYTHON
}

prepare() {
  mkdir -p "$RESULTS" "$OUT" "$WORK/home"
  export LATENTSYNC_HOME=$WORK/home
  export PATH=$ROOT/node_modules/node/bin:$PATH
  if [ "$RUNTIME" = cuda ] || [ "$RUNTIME" = tensorrt ]; then
    local libraries
    libraries=$(find_libraries)
    if [ -n "$libraries" ]; then export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; fi
  fi
}

program() { node "$ROOT/packages/cli/bin/latentsync-ts.js" "$@"; }

# bench NAME ARGUMENTS...: one report as JSON, and its tables as Markdown.
bench() {
  local name=$1
  shift
  program bench --rounds "$ROUNDS" --runtime "$RUNTIME" "$@" --report "$RESULTS/part-$name.json" >"$RESULTS/$name.txt"
  mv "$RESULTS/part-$name.json" "$RESULTS/$name.json"
}

# --- Steps ------------------------------------------------------------------------------------------

steps() {
  echo hardware
  echo conformance
  for size in $SIZES; do
    echo "graphs-$size"
    echo "cosine-$size"
    echo "networks-$size"
    echo "denoise-$size"
    echo "media-$size"
    echo "whole-$size"
    for lever in "${LEVERS[@]}"; do echo "lever-$size-${lever%% *}"; done
    echo "lever-whole-$size"
    if [ "$RUNTIME" = cuda ]; then
      echo "provider-options-$size"
      echo "tensorrt-$size"
    fi
  done
}

step_hardware() {
  {
    program info --json
    nvidia-smi 2>&1 || true
    nvidia-smi -q -d CLOCK,POWER 2>&1 || true
    nproc
    free -m
  } >"$RESULTS/hardware.txt"
  if [ "$RUNTIME" = cpu ]; then return 0; fi
  # Whatever else is wrong would show in every later step.
  node -e '
    const { runtimes } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8").split("\n")[0]);
    const found = runtimes.find(({ name }) => name === process.argv[2]);
    if (found?.available !== true) { console.error(found?.reason ?? "unknown runtime"); process.exit(1); }
  ' "$RESULTS/hardware.txt" "$RUNTIME"
}

step_conformance() {
  local tests=packages/runtime-$RUNTIME/test
  if [ ! -d "$ROOT/$tests" ]; then tests=packages/runtime-onnx/test; fi
  (cd "$ROOT" && node node_modules/vitest/vitest.mjs run "$tests" --reporter=json \
    --outputFile="$RESULTS/conformance.json") >"$RESULTS/conformance.txt" 2>&1
}

# Writes the graphs, so that no measured step does.
step_graphs() { bench "graphs-$1" --size "$1" --stages $NETWORKS --rounds 1; }

# Half precision against full, a forward of each network: time, relative error and cosine.
step_cosine() {
  if [ "$RUNTIME" = cpu ]; then
    bench "cosine-$1" --size "$1" --stages $NETWORKS --precision float32 --compare "--precision float16" --rounds 1
  else
    bench "cosine-$1" --size "$1" --stages $NETWORKS --precision float16 --compare "--precision float32" --rounds 2
  fi
}

step_networks() { bench "networks-$1" --size "$1" --stages $NETWORKS; }

# A chunk of 16 frames, all steps.
step_denoise() { bench "denoise-$1" --size "$1" --stages denoise; }

# What surrounds the networks, on the processor.
step_media() { bench "media-$1" --size "$1" --stages mel,decode,detect,crop,paste,encode; }

step_whole() { bench "whole-$1" --size "$1" --stages whole --seconds "$SECONDS_OF_VIDEO"; }

step_lever() {
  local size=$1 name=$2 lever
  for lever in "${LEVERS[@]}"; do
    if [ "${lever%% *}" = "$name" ]; then
      bench "lever-$size-$name" --size "$size" --stages denoise --compare "${lever#* }"
      return
    fi
  done
  say "unknown lever: $name"
  return 1
}

step_lever_whole() {
  bench "lever-whole-$1" --size "$1" --stages whole --seconds "$SECONDS_OF_VIDEO" --compare "--quality balanced"
}

# Options of the CUDA provider that onnxruntime-node does not pass on, against none.
step_provider_options() {
  (cd "$ROOT" && node benchmarks/gpu/provider-options.ts --size "$1" --rounds "$ROUNDS") \
    >"$RESULTS/provider-options-$1.json"
}

# TensorRT against CUDA. The first time, compiling an engine takes minutes; it is kept.
step_tensorrt() {
  bench "tensorrt-$1" --size "$1" --stages vae-decode,unet-step --compare "--runtime tensorrt"
}

run_step() {
  local step=$1
  case $step in
    hardware | conformance) "step_$step" ;;
    lever-whole-*) step_lever_whole "${step#lever-whole-}" ;;
    lever-*) local rest=${step#lever-}; step_lever "${rest%%-*}" "${rest#*-}" ;;
    provider-options-*) step_provider_options "${step#provider-options-}" ;;
    *-*) "step_${step%-*}" "${step##*-}" ;;
    *) say "unknown step: $step"; return 2 ;;
  esac
}

# Runs a step beside a log of the GPU, in a shell of its own that the time limit ends.
perform() {
  local step=$1 begin=$SECONDS status=0 monitor=
  rm -f "$RESULTS/$step".{done,failed}
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=timestamp,power.draw,memory.used,utilization.gpu,clocks.sm,temperature.gpu \
      --format=csv -l 1 >"$RESULTS/$step.gpu.csv" 2>&1 &
    monitor=$!
  fi
  say "$step ..."
  timeout --kill-after=10 "$(left)" "${BASH_SOURCE[0]}" run-step "$step" 2>"$RESULTS/$step.log" || status=$?
  if [ -n "$monitor" ]; then kill "$monitor" 2>/dev/null || true; wait "$monitor" 2>/dev/null || true; fi
  if [ $status -eq 0 ]; then
    echo "$((SECONDS - begin))" >"$RESULTS/$step.done"
    say "$step: done in $((SECONDS - begin)) s"
  else
    echo "$status" >"$RESULTS/$step.failed"
    say "$step: failed with $status after $((SECONDS - begin)) s: $(tail -n 3 "$RESULTS/$step.log" | tr '\n' ' ')"
  fi
}

run_all() {
  local step
  for step in $(steps); do
    if [ -e "$RESULTS/$step.done" ]; then continue; fi
    # A step that failed once in this call would fail again.
    if [ "$(left)" -lt 20 ]; then say "time is up before $step; call again"; return 0; fi
    perform "$step"
    if [ "$step" = hardware ] && [ -e "$RESULTS/$step.failed" ]; then return 1; fi
  done
  say "every step has been tried"
}

report() {
  local step file
  mkdir -p "$OUT"
  {
    echo "# GPU session: $RUNTIME"
    echo
    echo "| step | state | seconds |"
    echo "| --- | --- | ---: |"
    for step in $(steps); do
      if [ -e "$RESULTS/$step.done" ]; then echo "| $step | done | $(cat "$RESULTS/$step.done") |";
      elif [ -e "$RESULTS/$step.failed" ]; then echo "| $step | failed, $(cat "$RESULTS/$step.failed") | |";
      else echo "| $step | not run | |"; fi
    done
    for step in $(steps); do
      file=$RESULTS/$step.txt
      if [ ! -s "$file" ] || [ "$step" = conformance ]; then continue; fi
      printf '\n## %s\n\n' "$step"
      if [ "$step" = hardware ]; then sed 's/^/    /' "$file"; else cat "$file"; fi
    done
  } >"$OUT/report.md"
  tar -C "$WORK" -czf "$OUT/results.tar.gz" results
  say "$OUT/report.md and $OUT/results.tar.gz"
}

case ${1:-} in
  pack) shift; pack "$@" ;;
  receive) shift; receive "$@" ;;
  steps)
    for step in $(steps); do
      if [ -e "$RESULTS/$step.done" ]; then echo "$step done"; else echo "$step"; fi
    done ;;
  report) report ;;
  run-step) prepare; run_step "$2" ;;
  all) prepare; status=0; run_all || status=$?; report; exit $status ;;
  "" | -*) sed -n '2,28p' "${BASH_SOURCE[0]}"; exit 2 ;;
  *) prepare; for step in "$@"; do perform "$step"; done; report ;;
esac
