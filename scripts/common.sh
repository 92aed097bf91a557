# Sourced by the other scripts: where things are, and how they are installed. Not a command of its own.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tt=${TT-"$root/.build/release/tt"}

build_packages="pkg-config liblua5.4-dev libpq-dev libcurl4-openssl-dev libsqlite3-dev
    libssl-dev libyaml-dev libedit-dev zlib1g-dev libzstd-dev libsnappy-dev liblz4-dev"

say() { printf '\n== %s\n' "$*"; }
die() {
    printf '%s\n' "$@" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        die "needs root to run: $*" "Run it yourself, then start this script again."
    fi
}

# Installs those of the named Debian packages that are missing.
install_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || die "these Debian packages are needed: ${missing[*]}"
    say "installing ${missing[*]}"
    # The package lists are refreshed only when they do not know a package, or name versions that are gone.
    local options=(-o DPkg::Lock::Timeout=300 -q -y --no-install-recommends)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install "${missing[@]}" >/dev/null 2>&1 || {
        as_root apt-get -o DPkg::Lock::Timeout=300 -q update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install "${missing[@]}"
    }
}

require_swift() {
    command -v swift >/dev/null && return
    die "Swift 6.1 or newer is needed and 'swift' is not on the PATH." \
        "Get it from https://www.swift.org/install/linux (choose your Debian or Ubuntu release), for example with swiftly," \
        "then start this script again."
}

# How debug builds treat C. Without optimisation a kernel takes fifty times as long, and tests would not see the code that
# is shipped. The package itself asks for no such flags, which would forbid to use it as a dependency.
debug_flags="-Xcc -O2"

# Leaves a release build in $tt; with TT set to a program that is already built, that one is used as it is.
build_release() {
    [ -z "${TT-}" ] || return 0
    require_swift
    # shellcheck disable=SC2086
    install_packages $build_packages
    say "building tt (release)"
    swift build --package-path "$root" -c release --product tt --static-swift-stdlib
}
