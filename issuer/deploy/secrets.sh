#!/bin/sh
# Makes what compose.yaml mounts from secrets/: fresh passwords, a key-encryption key, a certificate for a first try.
# What is there already stays.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
# Nobody else gets past the folder; the files are readable, because the containers' users are not its owner.
chmod 700 secrets
cd secrets

keep() {
    [ -e "$1" ] || { printf '%s\n' "$2" > "$1" && chmod 444 "$1"; }
}

keep postgres_password "$(openssl rand -hex 32)"
keep redis_password "$(openssl rand -hex 32)"
keep key_encryption_key "kskek_$(openssl rand -hex 32)"
keep database_url "postgres://keystone:$(cat postgres_password)@postgres/keystone"
keep redis_url "redis://:$(cat redis_password)@redis"
keep redis.conf "requirepass $(cat redis_password)"

# For real use, put the public name's certificate and key here instead.
if [ ! -e tls.crt ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout tls.key -out tls.crt 2> /dev/null
    chmod 444 tls.key tls.crt
fi
