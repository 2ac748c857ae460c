#!/usr/bin/env bash
# Installs the programs that tests run against: Redis, PostgreSQL, Chromium and Vulkan's loader (with
# Chromium's SwiftShader a GPU in software, for WebGPU) on Debian as root, fake object stores where
# there is Go, and OpenVINO where there is pip. Without them their tests skip and say so.
set -uo pipefail

if command -v go >/dev/null; then
  sh packages/server/scripts/install-fakes.sh 2>/dev/null ||
    echo "The fake object stores could not be installed; their tests skip."
fi

openvino=packages/runtime-openvino/.openvino
if [ ! -d "$openvino/openvino" ] && command -v pip3 >/dev/null; then
  (pip3 download --quiet --no-deps --dest "$openvino" openvino==2026.4.1 &&
    python3 -m zipfile -e "$openvino"/*.whl "$openvino" && rm "$openvino"/*.whl) ||
    echo "OpenVINO could not be installed; its tests skip."
fi

packages=()
command -v redis-server >/dev/null || packages+=(redis-server)
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || command -v initdb >/dev/null || packages+=(postgresql)
command -v chromium >/dev/null || packages+=(chromium)
ldconfig -p | grep -q 'libvulkan\.so\.1' || packages+=(libvulkan1)
[ ${#packages[@]} -eq 0 ] && exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Not installed: ${packages[*]}; their tests skip."
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
# The tests start servers of their own: the packages' services stay off.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
  echo "apt-get could not install ${packages[*]}; their tests skip."
rm -f /usr/sbin/policy-rc.d
