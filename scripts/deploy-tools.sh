# shellcheck shell=bash
# Further set-up, for the scripts that look at deploy/: what reads compose files, charts and
# Kubernetes objects for real. Sourced after lib.sh; everything goes to the cache folder.
# shellcheck disable=SC2154 # lib.sh, sourced before, says what `repository` is

# Prepares Helm, Kustomize, the loader of compose files, and the models of Kubernetes objects.
prepare_deploy_tools() {
    choose_cache_directory
    prepare_go_tool TENURE_COMPOSE github.com/compose-spec/compose-go/v2/cmd v2.10.1
    prepare_go_tool TENURE_KUSTOMIZE sigs.k8s.io/kustomize/kustomize/v5 v5.7.0
    prepare_helm
    prepare_kubernetes_models
    # systemd-analyze reads units; nothing of systemd needs to run.
    if ! command -v systemd-analyze >/dev/null; then
        install_packages "systemd-analyze checks the unit" systemd
    fi
}

# Exports TENURE_HELM. A build knows no cluster's version unless it is told one.
prepare_helm() {
    local versions=helm.sh/helm/v3/pkg/chartutil
    prepare_go_tool TENURE_HELM helm.sh/helm/v3/cmd/helm v3.22.0 \
        "-X $versions.k8sVersionMajor=1 -X $versions.k8sVersionMinor=34"
}

go_needed=1.25
go_fetched=1.25.5

# Puts a Go that is new enough on the path. Distributions often have an older one; that fetches the
# newer, which is a module like others, and compares it with the checksum database.
prepare_go() {
    if go_works; then return; fi
    local goroot architecture
    if ! command -v go >/dev/null; then
        install_packages "Go builds what checks deploy/" golang-go
        if go_works; then return; fi
    fi
    architecture=$(go env GOARCH)
    say "fetching Go $go_fetched, since $go_needed or newer is needed"
    goroot=$(cd / && GOFLAGS='' go mod download -json "golang.org/toolchain@v0.0.1-go$go_fetched.linux-$architecture" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [ -d "$goroot" ] || fail "Go could not fetch Go $go_fetched. Install Go $go_needed or newer"
    # A module knows no programs.
    chmod -R u+w "$goroot"
    chmod +x "$goroot"/bin/* "$goroot"/pkg/tool/*/*
    unset GOROOT
    PATH=$goroot/bin:$PATH
    go_works || fail "$goroot/bin/go does not run"
}

# True if there is a Go that is new enough.
go_works() {
    local version
    version=$(go version 2>/dev/null) || return 1
    version=${version#go version go}
    at_least "$go_needed" "${version%% *}"
}

# prepare_go_tool VARIABLE PACKAGE VERSION [FLAGS]: exports the path of a program that is built from
# the module of that version, once; the checksum database of Go verifies what is fetched.
prepare_go_tool() {
    local variable=$1 package=$2 version=$3 flags=${4:-} folder staging program started=$SECONDS
    folder=$TENURE_CACHE/go-tools/$(printf '%s' "$package@$version $flags" | sha256sum | cut -c1-16)
    program=$folder/program
    if [ ! -x "$program" ]; then
        prepare_go
        say "building $package $version into $folder"
        mkdir -p "$TENURE_CACHE/go-tools"
        staging=$(mktemp -d "$folder.XXXXXX")
        GOBIN=$staging GOFLAGS='' CGO_ENABLED=0 \
            go install -trimpath -ldflags="-s -w $flags" "$package@$version" >&2 </dev/null || {
            rm -rf "$staging"
            fail "Go could not build $package $version"
        }
        mv "$staging"/* "$staging/program"
        replace_folder "$staging" "$folder"
        say "built in $((SECONDS - started))s"
    fi
    [ -x "$program" ] || fail "$program is missing"
    export "$variable=$program"
}

# Exports TENURE_KUBERNETES, a folder with the packages of scripts/kubernetes and a copy of
# objects.mjs, which finds them there.
prepare_kubernetes_models() {
    local source=$repository/scripts/kubernetes staging lock
    prepare_node
    lock=$(cat "$source/package.json" "$source/package-lock.json" | sha256sum | cut -c1-16)
    export TENURE_KUBERNETES=$TENURE_CACHE/kubernetes-$lock
    # npm writes this file last.
    if [ ! -e "$TENURE_KUBERNETES/node_modules/.package-lock.json" ]; then
        say "fetching the models of Kubernetes objects into $TENURE_KUBERNETES"
        staging=$(mktemp -d "$TENURE_KUBERNETES.XXXXXX")
        cp "$source/package.json" "$source/package-lock.json" "$staging"
        (cd "$staging" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error >&2 </dev/null) || {
            rm -rf "$staging"
            fail "npm could not fetch the models of Kubernetes objects"
        }
        replace_folder "$staging" "$TENURE_KUBERNETES"
    fi
    cp "$source/objects.mjs" "$TENURE_KUBERNETES/objects.mjs"
}
