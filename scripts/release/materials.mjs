// What a build of Tenure is made of, from `cargo metadata` and Cargo.lock.
//
//   materials.mjs sbom METADATA LOCK        a CycloneDX document: every crate that is linked, with its
//                                           licence, its checksum and what it rests on
//   materials.mjs third-party METADATA      the licences of all of them, each text once
//
// METADATA is the output of `cargo metadata --locked` for one platform and one set of features.
// SOURCE_DATE_EPOCH is the time of the document, so that the same input gives the same bytes.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";

const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1);
const hash = (text) => createHash("sha256").update(text).digest("hex");

// Whether an edge leads to something that is in the binary. What builds is not in it, but for crates
// that bring the source of a C library to those that link it.
function linked(edge) {
  return edge.dep_kinds.some(({ kind }) => kind === null || (kind === "build" && edge.name.endsWith("_src")));
}

// The crates that are linked, the root first, each with those that it rests on.
function crates(metadata) {
  const packages = new Map(metadata.packages.map((each) => [each.id, each]));
  const nodes = new Map(metadata.resolve.nodes.map((each) => [each.id, each]));
  const root = metadata.resolve.root;
  const found = new Map();
  const open = [root];
  while (open.length > 0) {
    const id = open.pop();
    if (found.has(id)) continue;
    // The source of a C library is all that such a crate brings: what unpacks it is not linked.
    const source = packages.get(id).name.endsWith("-src");
    const next = source ? [] : nodes.get(id).deps.filter(linked).map((edge) => edge.pkg);
    found.set(id, { ...packages.get(id), id, rests: next });
    open.push(...next);
  }
  const rest = [...found.values()].filter(({ id }) => id !== root).sort(byName);
  return { root: found.get(root), rest };
}

// The checksums of Cargo.lock by name and version.
function checksums(lock) {
  const sums = new Map();
  for (const entry of lock.split("[[package]]")) {
    const value = (key) => entry.match(new RegExp(`^${key} = "(.*)"$`, "m"))?.[1];
    if (value("checksum")) sums.set(`${value("name")} ${value("version")}`, value("checksum"));
  }
  return sums;
}

const purl = ({ name, version }) => `pkg:cargo/${name}@${version}`;
// Old crates separate alternatives by a slash.
const licence = (each) => each.license?.replaceAll("/", " OR ").replaceAll("  ", " ");

function sbom(metadata, lock) {
  const { root, rest } = crates(metadata);
  const sums = checksums(lock);
  const refs = new Map([root, ...rest].map((each) => [each.id, purl(each)]));
  const component = (each, type) => {
    const sum = sums.get(`${each.name} ${each.version}`);
    return {
      type,
      "bom-ref": purl(each),
      name: each.name,
      version: each.version,
      ...(each.description && { description: each.description.replace(/\s+/g, " ").trim() }),
      ...(sum && { hashes: [{ alg: "SHA-256", content: sum }] }),
      ...(licence(each) && { licenses: [{ expression: licence(each) }] }),
      purl: purl(each),
      ...(each.repository && { externalReferences: [{ type: "vcs", url: each.repository }] }),
    };
  };
  const digest = hash(lock + [...refs.values()].join("\n"));
  const uuid = digest.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-5$3-8$4-$5");
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    serialNumber: `urn:uuid:${uuid}`,
    version: 1,
    metadata: {
      timestamp: new Date(Number(process.env.SOURCE_DATE_EPOCH ?? 0) * 1000).toISOString(),
      component: component(root, "application"),
    },
    components: rest.map((each) => component(each, "library")),
    dependencies: [root, ...rest].map((each) => ({
      ref: purl(each),
      dependsOn: [...new Set(each.rests.map((id) => refs.get(id)))].sort(),
    })),
  };
}

const LICENCE = /^(licen[cs]e|copying|copyright|notice|unlicense)/i;
// Folders whose licences are not of what is linked.
const BESIDE = new Set(["tests", "test", "examples", "benches", "docs", "doc", "fuzz", "src", "bindings"]);

// Files with licences of a crate, and of C libraries inside it.
function licenceFiles(folder, depth = 0) {
  return readdirSync(folder, { withFileTypes: true })
    .sort(byName)
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isFile()) return LICENCE.test(entry.name) && !/\.(rs|sh|py|c|h)$/.test(entry.name) ? [path] : [];
      const inside = entry.isDirectory() && depth < 3 && !BESIDE.has(entry.name);
      return inside ? licenceFiles(path, depth + 1) : [];
    });
}

function thirdParty(metadata) {
  const { root, rest } = crates(metadata);
  const others = rest.filter(({ source }) => source !== null);
  const texts = new Map();
  for (const each of others) {
    const folder = dirname(each.manifest_path);
    for (const file of licenceFiles(folder)) {
      const text = readFileSync(file, "utf8").replaceAll("\r\n", "\n").trim();
      if (text === "") continue;
      const of = texts.get(text) ?? [];
      const place = relative(folder, file);
      of.push(`${each.name} ${each.version}${basename(file) === place ? "" : ` (${place})`}`);
      texts.set(text, of);
    }
  }
  const line = "=".repeat(80);
  return [
    `Works of others in ${root.name} ${root.version}, and their licences.`,
    "",
    ...others.map((each) => `${each.name} ${each.version}: ${licence(each) ?? "see its text below"}`),
    "",
    ...[...texts].flatMap(([text, of]) => [line, ...of, line, "", text, ""]),
  ].join("\n");
}

const [what, metadata, lock] = process.argv.slice(2);
const read = (file) => readFileSync(file, "utf8");
if (what === "sbom" && lock) {
  console.log(JSON.stringify(sbom(JSON.parse(read(metadata)), read(lock)), null, 2));
} else if (what === "third-party" && metadata) {
  process.stdout.write(thirdParty(JSON.parse(read(metadata))));
} else {
  throw new Error("usage: materials.mjs sbom METADATA LOCK | third-party METADATA");
}
