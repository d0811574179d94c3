# shellcheck shell=bash
# Set-up for the other scripts: finds what building and testing need, installs with apt what is
# missing where it may (as root, or with a sudo that asks no password), and says otherwise exactly
# what to install. A missing part is a failure, never a skip.
#
# What is not a package of the system goes to a cache folder: ${TENURE_CACHE}, else
# ${XDG_CACHE_HOME}/tenure, else ~/.cache/tenure. Everything in it is verified before each use and
# made again when it is missing or damaged; without a writable cache folder, target/cache serves.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf 'tenure: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

# Prepares what `cargo build` needs. The C parts (librdkafka, OpenSSL, zstd, the allocator) come as
# source inside their crates.
prepare_build() {
    local missing=()
    if ! compiles c "${CC:-cc}"; then missing+=(gcc libc6-dev); fi
    # librdkafka's configuration refuses to go on without a C++ compiler.
    if ! compiles c++ "${CXX:-c++}"; then missing+=(g++); fi
    if ! command -v make >/dev/null; then missing+=(make); fi
    # OpenSSL's configuration uses modules that the base system's perl lacks.
    if ! perl -MIPC::Cmd -MFindBin -MFile::Compare -e1 2>/dev/null; then missing+=(perl); fi
    install_packages "compilers, make and perl build librdkafka and OpenSSL" "${missing[@]}"
    compiles c "${CC:-cc}" || fail "the C compiler ${CC:-cc} cannot build a program"
    compiles c++ "${CXX:-c++}" || fail "the C++ compiler ${CXX:-c++} cannot build a program"
    require_rust
    choose_target_directory
}

# Prepares what the tests and the benchmark need beyond the build: a Java runtime, the jars of
# Apache Kafka, a schema registry, Prometheus and its promtool, Alertmanager and its amtool, a browser and what drives
# it, shellcheck, Grafana's schema. Exports where they are.
prepare_tests() {
    prepare_build
    choose_cache_directory
    prepare_java
    prepare_kafka
    prepare_registry
    prepare_prometheus
    prepare_browser
    prepare_alertmanager
    prepare_shellcheck
    prepare_grafana_schema
}

# Prepares what counts instructions: valgrind, and the runner of the version that Cargo.lock says.
# It is on the path then.
prepare_instructions() {
    prepare_build
    choose_cache_directory
    command -v valgrind >/dev/null || install_packages "counts instructions" valgrind
    local version folder
    version=$(sed -n '/^name = "gungraun-runner"$/{n;s/^version = "\(.*\)"$/\1/p}' "$repository/Cargo.lock")
    [ -n "$version" ] || fail "Cargo.lock does not say which gungraun-runner is needed"
    folder=$TENURE_CACHE/gungraun-runner-$version
    if [ ! -x "$folder/bin/gungraun-runner" ]; then
        say "building gungraun-runner $version, a minute or two"
        CARGO_TARGET_DIR=$folder.target cargo install --quiet --locked --root "$folder" \
            --version "=$version" gungraun-runner || fail "cannot build gungraun-runner $version"
        rm -rf "$folder.target"
    fi
    export PATH="$folder/bin:$PATH"
}

# --- the system's packages -----------------------------------------------------------------------

# install_packages REASON [PACKAGE...]: installs the packages, or fails saying which they are.
install_packages() {
    local reason=$1
    shift
    [ $# -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo -n)
        "${as_root[@]}" true 2>/dev/null || fail "missing: $* ($reason). Install with: sudo apt-get install $*"
    fi
    command -v apt-get >/dev/null || fail "missing: $* ($reason). Install these with your package manager"
    say "installing with apt: $* ($reason)"
    update_package_lists
    local output
    output=$("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --quiet=2 --no-install-recommends "$@" 2>&1 </dev/null) || {
        printf '%s\n' "$output" >&2
        fail "apt-get could not install: $*"
    }
}

package_lists_updated=no

# Refreshes apt's lists once a run. A third-party source that fails must not stop us: if something
# we need is not to be had, the installation itself says so.
update_package_lists() {
    [ "$package_lists_updated" = no ] || return 0
    package_lists_updated=yes
    if [ "$(id -u)" -eq 0 ]; then
        apt-get update --quiet=2 >&2 </dev/null || say "apt-get update had errors, going on"
    elif sudo -n true 2>/dev/null; then
        sudo -n apt-get update --quiet=2 >&2 </dev/null || say "apt-get update had errors, going on"
    fi
}

# unpack_packages FOLDER PACKAGE...: unpacks packages of the distribution into a new folder without
# installing them, so that no service starts and nothing of the system changes.
unpack_packages() {
    local folder=$1 staging package
    shift
    command -v dpkg-deb >/dev/null || fail "missing: $*. Install them with your package manager"
    mkdir -p "$(dirname "$folder")"
    staging=$(mktemp -d "$folder.XXXXXX")
    say "unpacking the distribution's packages into $folder: $*"
    (
        cd "$staging"
        apt-get download --quiet=2 -o APT::Sandbox::User=root "$@" >&2 </dev/null || exit 1
        for package in *.deb; do
            dpkg-deb --extract "$package" . && rm -f "$package" || exit 1
        done
    ) || {
        rm -rf "$staging"
        fail "cannot download: $*. Try: sudo apt-get update. Or: sudo apt-get install $*"
    }
    replace_folder "$staging" "$folder"
}

# available PACKAGE: true if the distribution has it.
available() {
    [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]
}

# replace_folder NEW FOLDER: puts a finished folder in place in one step. If another run was faster,
# its folder stays: callers verify what they find.
replace_folder() {
    rm -rf "$2"
    mv -T "$1" "$2" 2>/dev/null || rm -rf "$1"
}

# --- compilers -----------------------------------------------------------------------------------

# compiles LANGUAGE COMPILER: true if the compiler can build a program with its standard headers.
compiles() {
    printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' |
        "$2" -x "$1" -o /dev/null - 2>/dev/null
}

require_rust() {
    local needed found
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
    fi
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$repository/Cargo.toml")
    command -v cargo >/dev/null || fail "missing: Rust $needed or newer. Install it with:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    found=$(cd "$repository" && rustc --version | cut -d' ' -f2)
    at_least "$needed" "$found" || fail "Rust $found is too old, $needed or newer is needed: rustup update"
}

# at_least NEEDED FOUND: compares dotted versions.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "${2%%-*}" | sort -V | head -n 1)" = "$1" ]
}

# --- folders -------------------------------------------------------------------------------------

choose_cache_directory() {
    local wanted=${TENURE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/tenure}
    if mkdir -p "$wanted" 2>/dev/null && [ -w "$wanted" ]; then
        TENURE_CACHE=$wanted
    else
        TENURE_CACHE=$repository/target/cache
        mkdir -p "$TENURE_CACHE"
        say "$wanted is not writable, using $TENURE_CACHE"
    fi
    export TENURE_CACHE
}

# Builds go to the checkout's own target/, so that two checkouts cannot take each other's binaries.
# Only under CI, which clones anew for every run, do the compiled dependencies live in the cache.
choose_target_directory() {
    if [ -z "${CARGO_TARGET_DIR:-}" ]; then
        CARGO_TARGET_DIR=$repository/target
        if [ "${CI:-}" = true ]; then
            choose_cache_directory
            CARGO_TARGET_DIR=$TENURE_CACHE/target
        fi
    fi
    export CARGO_TARGET_DIR
}

# --- Java and Apache Kafka -----------------------------------------------------------------------

java_needed=17

prepare_java() {
    if find_java; then return; fi
    update_package_lists
    install_packages "Apache Kafka runs on Java $java_needed or newer" "$(java_package)"
    find_java || fail "missing: a Java runtime, version $java_needed or newer"
}

# Exports JAVA_HOME of the first runtime that is new enough: the one named by the environment, the
# one on the path, any that is installed (the default of a distribution may be an older one).
find_java() {
    local java
    for java in "${JAVA_HOME:-/nonexistent}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
        if [ -x "$java" ] && at_least "$java_needed" "$(java_version "$java")"; then
            java=$(readlink -f "$java")
            export JAVA_HOME=${java%/bin/java}
            return
        fi
    done
    return 1
}

java_version() {
    "$1" -version 2>&1 | sed -n 's/.* version "\([0-9][0-9.]*\).*/\1/p' | head -n 1
}

java_package() {
    local version
    for version in 17 21 25; do
        if available "openjdk-$version-jre-headless"; then
            echo "openjdk-$version-jre-headless"
            return
        fi
    done
    echo default-jre-headless
}

# Exports TENURE_KAFKA_LIBS, a folder with exactly the jars of scripts/kafka/jars.sha256.
prepare_kafka() {
    local from=$repository/scripts/kafka version
    version=$(sed -n 's/.* kafka_2\.13-\(.*\)\.jar$/\1/p' "$from/jars.sha256")
    export TENURE_KAFKA_LIBS=$TENURE_CACHE/kafka-$version
    fetch_jars "Apache Kafka $version" "$from" "$TENURE_KAFKA_LIBS"
}

# Exports TENURE_KAFKA_STREAMS_LIBS, a folder with exactly the jars of
# benches/peers/kafka-streams/jars.sha256.
prepare_kafka_streams() {
    local from=$repository/benches/peers/kafka-streams version
    version=$(sed -n 's/.* kafka-streams-\(.*\)\.jar$/\1/p' "$from/jars.sha256")
    export TENURE_KAFKA_STREAMS_LIBS=$TENURE_CACHE/kafka-streams-$version
    fetch_jars "Kafka Streams $version" "$from" "$TENURE_KAFKA_STREAMS_LIBS"
}

# fetch_jars NAME FROM FOLDER: fetches what FROM/pom.xml depends on into FOLDER, which holds exactly
# the jars of FROM/jars.sha256 then. Does nothing where it does already.
fetch_jars() {
    local name=$1 from=$2 folder=$3 staging output
    if jars_complete "$folder" "$from/jars.sha256"; then return; fi
    if ! command -v mvn >/dev/null; then
        install_packages "Maven fetches the jars of $name" maven
    fi
    say "fetching $name from Maven Central into $folder"
    staging=$(mktemp -d "$folder.XXXXXX")
    # Maven keeps what it has downloaded, so an interrupted run resumes.
    output=$(mvn --quiet --batch-mode --file "$from/pom.xml" \
        dependency:copy-dependencies -DoutputDirectory="$staging" 2>&1 </dev/null) || {
        rm -rf "$staging"
        printf '%s\n' "$output" >&2
        fail "Maven could not fetch $name; run the command again to resume"
    }
    jars_complete "$staging" "$from/jars.sha256" || {
        rm -rf "$staging"
        fail "the jars from Maven Central differ from ${from#"$repository/"}/jars.sha256"
    }
    replace_folder "$staging" "$folder"
}

# Maven, and a compiler for the Java that JAVA_HOME names.
prepare_maven() {
    local missing=() version
    version=$(java_version "$JAVA_HOME/bin/java")
    if [ ! -x "$JAVA_HOME/bin/javac" ]; then missing+=("openjdk-${version%%.*}-jdk-headless"); fi
    if ! command -v mvn >/dev/null; then missing+=(maven); fi
    install_packages "Maven builds what is written in Java" "${missing[@]}"
}

# Exports TENURE_REGISTRY, a folder with exactly the jars of scripts/registry/jars.sha256: Apicurio
# Registry, which speaks the protocol of Confluent's, whose own is not on Maven Central.
prepare_registry() {
    local list=$repository/scripts/registry/jars.sha256 version staging output
    version=$(sed -n 's/.* apicurio-registry-app-\(.*\)-runner\.jar$/\1/p' "$list")
    export TENURE_REGISTRY=$TENURE_CACHE/apicurio-$version
    if jars_complete "$TENURE_REGISTRY" "$list"; then return; fi
    if ! command -v mvn >/dev/null; then
        install_packages "Maven fetches the schema registry" maven
    fi
    say "fetching Apicurio Registry $version from Maven Central into $TENURE_REGISTRY"
    staging=$(mktemp -d "$TENURE_REGISTRY.XXXXXX")
    # Later versions of the plugin want the descriptor of a parent that is not on Maven Central.
    output=$(mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:2.10:copy \
        -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" \
        -DoutputDirectory="$staging" 2>&1 </dev/null &&
        tar --extract --gzip --directory "$staging" \
            --file "$staging/apicurio-registry-app-$version-all.tar.gz" 2>&1 &&
        rm "$staging/apicurio-registry-app-$version-all.tar.gz") || {
        rm -rf "$staging"
        printf '%s\n' "$output" >&2
        fail "Maven could not fetch the schema registry; run the command again to resume"
    }
    jars_complete "$staging" "$list" || {
        rm -rf "$staging"
        fail "the jars from Maven Central differ from scripts/registry/jars.sha256"
    }
    replace_folder "$staging" "$TENURE_REGISTRY"
}

# jars_complete FOLDER LIST: true if the folder holds the listed jars, undamaged, and no others.
jars_complete() {
    local found
    [ -d "$1" ] || return 1
    found=$(find "$1" -name '*.jar' | wc -l)
    [ "$found" -eq "$(wc -l <"$2")" ] && (cd "$1" && sha256sum --check --strict --status "$2" 2>/dev/null)
}

# --- tools ---------------------------------------------------------------------------------------

# Exports TENURE_PROMETHEUS and TENURE_PROMTOOL: the installed ones, else the distribution's package
# unpacked, so that no Prometheus service starts on the machine.
prepare_prometheus() {
    local folder=$TENURE_CACHE/prometheus packages=(prometheus)
    TENURE_PROMETHEUS=$(command -v prometheus || echo "$folder/usr/bin/prometheus")
    TENURE_PROMTOOL=$(command -v promtool || echo "$folder/usr/bin/promtool")
    export TENURE_PROMETHEUS TENURE_PROMTOOL
    if prometheus_works; then return; fi
    update_package_lists
    # Debian 13 and later have promtool in a package of its own.
    if available promtool; then packages+=(promtool); fi
    unpack_packages "$folder" "${packages[@]}"
    export TENURE_PROMETHEUS=$folder/usr/bin/prometheus TENURE_PROMTOOL=$folder/usr/bin/promtool
    prometheus_works || fail "the unpacked Prometheus in $folder does not run"
}

prometheus_works() {
    "$TENURE_PROMETHEUS" --version >/dev/null 2>&1 && "$TENURE_PROMTOOL" --version >/dev/null 2>&1
}

# Exports TENURE_CHROMIUM, and TENURE_BROWSER_MODULES: a folder whose node_modules are exactly those of
# the lock file of tests/browser.
prepare_browser() {
    local from=$repository/tests/browser missing=() lock staging output
    if ! command -v chromium >/dev/null && [ ! -x "${TENURE_CHROMIUM:-}" ]; then
        # Without any font there is no text to look at.
        missing+=(chromium fonts-dejavu-core)
    fi
    if ! command -v node >/dev/null; then missing+=(nodejs); fi
    if ! command -v npm >/dev/null; then missing+=(npm); fi
    install_packages "a browser and Node.js test the console" "${missing[@]}"
    export TENURE_CHROMIUM=${TENURE_CHROMIUM:-$(command -v chromium)}
    lock=$(cat "$from/package.json" "$from/package-lock.json" | sha256sum | cut -c 1-16)
    export TENURE_BROWSER_MODULES=$TENURE_CACHE/browser-$lock
    if browser_works; then return; fi
    say "fetching what drives the browser from npm into $TENURE_BROWSER_MODULES"
    staging=$(mktemp -d "$TENURE_BROWSER_MODULES.XXXXXX")
    cp "$from/package.json" "$from/package-lock.json" "$staging/"
    output=$(npm ci --prefix "$staging" --ignore-scripts --no-audit --no-fund 2>&1 </dev/null) || {
        rm -rf "$staging"
        printf '%s\n' "$output" >&2
        fail "npm could not fetch what drives the browser; run the command again"
    }
    replace_folder "$staging" "$TENURE_BROWSER_MODULES"
    browser_works || fail "what npm fetched into $TENURE_BROWSER_MODULES cannot be loaded"
}

# True if the modules load; npm has compared what it fetched with the hashes of the lock file.
browser_works() {
    (cd "$TENURE_BROWSER_MODULES" 2>/dev/null &&
        node -e 'require("playwright-core"); require.resolve("axe-core/axe.min.js")' 2>/dev/null)
}

# Exports TENURE_ALERTMANAGER and TENURE_AMTOOL: the installed ones, else the distribution's package
# unpacked. The distributions call the server prometheus-alertmanager.
prepare_alertmanager() {
    local folder=$TENURE_CACHE/alertmanager
    TENURE_ALERTMANAGER=$(command -v alertmanager || command -v prometheus-alertmanager ||
        echo "$folder/usr/bin/prometheus-alertmanager")
    TENURE_AMTOOL=$(command -v amtool || echo "$folder/usr/bin/amtool")
    export TENURE_ALERTMANAGER TENURE_AMTOOL
    if alertmanager_works; then return; fi
    update_package_lists
    unpack_packages "$folder" prometheus-alertmanager
    export TENURE_ALERTMANAGER=$folder/usr/bin/prometheus-alertmanager TENURE_AMTOOL=$folder/usr/bin/amtool
    alertmanager_works || fail "the unpacked Alertmanager in $folder does not run"
}

alertmanager_works() {
    "$TENURE_ALERTMANAGER" --version >/dev/null 2>&1 && "$TENURE_AMTOOL" --version >/dev/null 2>&1
}

prepare_shellcheck() {
    if command -v shellcheck >/dev/null; then return; fi
    install_packages "shellcheck checks the scripts" shellcheck
}

# Exports TENURE_GRAFANA_SCHEMA, a folder with the packages that tests/grafana/package-lock.json pins:
# the types of Grafana's dashboards, and the compiler that reads them. Nothing of them is run but that.
prepare_grafana_schema() {
    local source=$repository/tests/grafana staging output
    export TENURE_GRAFANA_SCHEMA=$TENURE_CACHE/grafana-schema
    prepare_node
    if cmp --silent "$source/package-lock.json" "$TENURE_GRAFANA_SCHEMA/package-lock.json"; then return; fi
    say "fetching Grafana's schema from npm into $TENURE_GRAFANA_SCHEMA"
    staging=$(mktemp -d "$TENURE_GRAFANA_SCHEMA.XXXXXX")
    cp "$source/package.json" "$staging/"
    output=$(cd "$staging" && cp "$source/package-lock.json" . &&
        npm ci --ignore-scripts --no-audit --no-fund 2>&1 </dev/null) || {
        rm -rf "$staging"
        printf '%s\n' "$output" >&2
        fail "npm could not install the packages of tests/grafana"
    }
    replace_folder "$staging" "$TENURE_GRAFANA_SCHEMA"
}

# Node and npm, in any version that the distributions have had since 2022.
prepare_node() {
    local missing=()
    if ! command -v node >/dev/null; then missing+=(nodejs); fi
    if ! command -v npm >/dev/null; then missing+=(npm); fi
    install_packages "Node runs the compiler that reads Grafana's schema" "${missing[@]}"
}
