#!/usr/bin/env bash
# machine-settings.sh ROOT: writes below ROOT how this machine reaches the registries of Debian and npm, so that a new one
# made here does too: its trust store, its proxies, its apt settings and its npm registry. Names no host itself.
#
# Deliberately not here: credentials, and apt's sources, which may have packages that are not Debian's.
set -euo pipefail
source "$(dirname "$0")/../lib.sh"

root=$1
mkdir -p "$root/etc/apt/apt.conf.d" "$root/root" "$root/usr/local/share/ca-certificates"

# All that this machine trusts, in the place from which Debian makes a trust store.
for bundle in "${NODE_EXTRA_CA_CERTS-}" "${SSL_CERT_FILE-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
  [ -f "$bundle" ] || continue
  cat "$bundle" >>"$root/usr/local/share/ca-certificates/building-machine.crt"
  break
done

{
  # Node trusts its own list only, unless told.
  echo 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'
  env | grep -iE '^(https?|no|all)_proxy=' | sort || true
} >"$root/etc/environment"

apt-config dump 2>/dev/null | grep -E '^Acquire::(https?|Check-[A-Za-z-]+|Retries)(::.*)? "[^"]+";$' |
  grep -v '::CAInfo' >"$root/etc/apt/apt.conf.d/90building-machine" || true

# Under `npm run` with npm's global settings too, which it hands down.
for setting in registry proxy https-proxy noproxy strict-ssl; do
  value=$(npm config get "$setting" 2>/dev/null) || continue
  case $value in '' | null | undefined) ;; *) echo "$setting=$value" ;; esac
done >"$root/root/.npmrc"
