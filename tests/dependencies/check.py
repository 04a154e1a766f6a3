#!/usr/bin/env python3
"""Licences, bans, version floors and sources of every crate that is built: deny.toml's rules, by `cargo metadata`.

    tests/dependencies/check.py

It reads the workspace and `fuzz/` as their lock files fix them, for the targets deny.toml names, with all features.
Exit code 1, and one paragraph for each fault: the crate, the rule, by what it came, and what to do. cargo-deny applies
the same file, and advisories too; this needs no installation and no database. `test_check.py` is its test.
"""

import json
import pathlib
import subprocess
import sys

from rules import LEFT_TO_CARGO_DENY, Rules, Unclear, Version, permits

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFESTS = ["Cargo.toml", "fuzz/Cargo.toml"]


class Tree:
    """The packages of one workspace, as `cargo metadata` tells them."""

    def __init__(self, metadata):
        self.packages = {package["id"]: package for package in metadata["packages"]}
        self.members = metadata["workspace_members"]
        self.needs = {node["id"]: [dep["pkg"] for dep in node["deps"]] for node in metadata["resolve"]["nodes"]}
        # Who brought it in, on a shortest way from a member.
        self.by = dict.fromkeys(self.members)
        queue = list(self.members)
        for needing in queue:
            for needed in self.needs[needing]:
                if needed not in self.by:
                    self.by[needed] = needing
                    queue.append(needed)
        self.built = [self.packages[each] for each in queue]
        # Cargo's own registry, by whatever address: nearly every crate is from there.
        of_registries = [each["source"] for each in self.built if (each["source"] or "").startswith("registry+")]
        self.registry = max(of_registries, key=of_registries.count, default=None)

    def way(self, package):
        names, at = [], package["id"]
        while at is not None:
            names.append(self.packages[at]["name"])
            at = self.by[at]
        return " → ".join(reversed(names))


def faults(rules, metadata, root):
    """Every fault of one workspace, each as one text."""
    tree = Tree(metadata)
    found = []
    for package in tree.built:
        def fault(rule, remedy):
            found.append(f"{package['name']} {package['version']}: {rule}\n"
                         f"    comes by {tree.way(package)}\n    to do: {remedy}")

        licence(rules, package, fault)
        ban(rules, package, fault)
        source(package, root, tree.registry, fault)
        wildcards(package, fault)
    return found


def licence(rules, package, fault):
    allowed = rules.allowed | rules.exceptions.get(package["name"], frozenset())
    expression = package["license"]
    if not expression:
        return fault("[licenses]: it names no licence in its manifest", "read its files; do without it")
    try:
        if not permits(expression, allowed):
            fault(f"[licenses]: {expression} is not allowed",
                  "do without it; or, if that licence may be linked, add it to `allow` or `exceptions` of deny.toml")
    except Unclear as why:
        fault(f"[licenses]: {why}", "do without it, or ask its authors")


def ban(rules, package, fault):
    version = Version.of(package["version"])
    for rule in rules.bans:
        if rule.crate == package["name"] and rule.forbids(version):
            if rule.bounds:
                shown = ", ".join(f"{operator} {'.'.join(map(str, than.numbers))}" for operator, than in rule.bounds)
                is_floor = any(operator in ("<", "<=") for operator, _ in rule.bounds)
                remedy = ", or raise what holds it down" if is_floor else " --precise, with an older version"
                fault(f"[bans]: no version {shown}: {rule.reason}",
                      f"cargo update -p {package['name']}@{package['version']}{remedy}")
            else:
                fault(f"[bans]: {rule.reason}", "leave out the dependency, or the feature that brings it")


def source(package, root, registry, fault):
    """A crate is of this repository or of Cargo's own registry: no dependency names another, and all are from one."""
    remedy = "depend on a release in Cargo's own registry"
    origin = package["source"]
    if origin is None:
        if root not in pathlib.Path(package["manifest_path"]).parents:
            fault(f"[sources]: it is a folder outside of this repository ({package['manifest_path']})", remedy)
    elif origin != registry:
        fault(f"[sources]: it comes from {origin}", remedy)
    for need in package["dependencies"]:
        # A patch or a mirror of the configuration does not show here; a manifest that wants another registry does.
        if need.get("registry") and (origin is None or need["kind"] != "dev"):
            fault(f"[sources]: its dependency {need['name']} is of the registry {need['registry']}", remedy)


def wildcards(package, fault):
    # What others publish cannot have any but in their tests, which are not built here.
    for need in package["dependencies"]:
        if need["req"] == "*" and not need.get("path") and (package["source"] is None or need["kind"] != "dev"):
            fault(f"[bans] wildcards: its dependency {need['name']} may have any version", "name the version it needs")


def metadata_of(manifest, rules):
    targets = [word for target in rules.targets for word in ("--filter-platform", target)]
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1", *targets]
    ended = subprocess.run([*command, "--manifest-path", manifest], stdout=subprocess.PIPE, cwd=ROOT, check=False)
    if ended.returncode:
        sys.exit(f"{manifest}: `{' '.join(command)}` failed; see above")
    return json.loads(ended.stdout)


def main():
    try:
        rules = Rules.of((ROOT / "deny.toml").read_text(encoding="utf-8"))
    except Unclear as why:
        sys.exit(f"deny.toml: {why}")
    found, counts = [], []
    for manifest in MANIFESTS:
        metadata = metadata_of(manifest, rules)
        found += [f"{manifest}: {fault}" for fault in faults(rules, metadata, ROOT)]
        counts.append(f"{manifest} {len(Tree(metadata).built)} crates")
    if found:
        sys.exit("\n".join(found) + f"\nfaults: {len(found)}; the rules are in deny.toml")
    print(f"{', '.join(counts)}: licences, bans, floors and sources as deny.toml has them")
    print("left to cargo-deny: " + ", ".join(f"[{section}] {key}" for section, key in LEFT_TO_CARGO_DENY))


if __name__ == "__main__":
    main()
