// Kubernetes objects from YAML: checked against the schemas, or compared with others.
//
//   objects.mjs check FILE...      every object is one that the API would take, as far as schemas tell
//   objects.mjs same FILE FILE     two sets of objects are the same but for who made them
//
// It runs as a copy in the folder where the packages of package.json are installed.
import { deepStrictEqual } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

const here = dirname(fileURLToPath(import.meta.url));

// YAML 1.1 is what Kubernetes and Helm read: `yes` and `0440` are no texts there.
const read = (file) =>
  parseAllDocuments(readFileSync(file, "utf8"), { version: "1.1", uniqueKeys: true, merge: true })
    .map((document) => {
      for (const error of document.errors) throw new Error(`${file}: ${error.message}`);
      return document.toJS();
    })
    .filter((object) => object !== null);

const name = (object) => `${object.kind} ${object.metadata?.name}`;

// The module that knows an object's kind.
function module({ apiVersion, kind }) {
  const operator = apiVersion.startsWith("monitoring.coreos.com/");
  const name = operator ? "@kubernetes-models/prometheus-operator" : "kubernetes-models";
  return `${name}/${apiVersion}/${kind}`;
}

// What the schema of an object's kind does not take: wrong values, and what is missing.
async function faults(object) {
  let models;
  try {
    models = await import(module(object));
  } catch {
    return [`no schema for ${object.apiVersion} ${object.kind}`];
  }
  try {
    new models[object.kind](object).validate();
  } catch (error) {
    return (error.errors ?? [error]).map(({ instancePath = "", message }) => `${instancePath} ${message}`);
  }
  return [];
}

// What the type of an object's kind does not have: misspelt names, which a cluster would drop
// silently. The schemas let those pass, the compiler of the types does not.
function strangers(objects) {
  const lines = objects.map(
    ({ object }, at) =>
      `import type { I${object.kind} as T${at} } from "${module(object)}"; ` +
      `export const o${at}: T${at} = ${JSON.stringify(object)};`,
  );
  const folder = mkdtempSync(join(here, "objects-"));
  try {
    writeFileSync(join(folder, "objects.ts"), lines.join("\n"));
    const compiler = join(here, "node_modules/typescript/bin/tsc");
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--pretty", "false", "--target", "es2022"];
    const modules = ["--module", "nodenext", "--moduleResolution", "nodenext"];
    const { status, stdout } = spawnSync(
      process.execPath,
      [compiler, ...options, ...modules, "objects.ts"],
      { cwd: folder, encoding: "utf8" },
    );
    const found = stdout.split("\n").filter((line) => line.startsWith("objects.ts("));
    if (status !== 0 && found.length === 0) throw new Error(`the compiler failed: ${stdout}`);
    return found.map((line) => {
      const [, number, message] = line.match(/^objects\.ts\((\d+),\d+\): error TS\d+: (.*)$/);
      return { ...objects[number - 1], fault: message };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function check(files) {
  const objects = files.flatMap((file) => read(file).map((object) => ({ file, object })));
  if (objects.length === 0) throw new Error("no objects at all");
  const bad = [];
  for (const { file, object } of objects) {
    for (const fault of await faults(object)) bad.push({ file, object, fault });
  }
  if (bad.length === 0) bad.push(...strangers(objects));
  for (const { file, object, fault } of bad) console.error(`${file}: ${name(object)}: ${fault}`);
  if (bad.length > 0) process.exit(1);
  console.log(`${objects.length} objects are valid`);
}

// What differs by who made the objects: names that end in a hash of the settings, and marks of Helm.
function plain(object) {
  const text = JSON.stringify(object, (_, value) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  ).replace(/"tenure-[0-9a-z]{10}"/g, '"tenure"');
  const copy = JSON.parse(text);
  for (const mark of ["helm.sh/chart", "app.kubernetes.io/managed-by"]) {
    delete copy.metadata.labels?.[mark];
  }
  const annotations = copy.spec?.template?.metadata?.annotations;
  if (annotations) {
    delete annotations["checksum/config"];
    if (Object.keys(annotations).length === 0) delete copy.spec.template.metadata.annotations;
  }
  // The settings are compared as settings: comments and order are the writer's.
  for (const [key, value] of Object.entries(copy.kind === "ConfigMap" ? copy.data : {})) {
    copy.data[key] = parseAllDocuments(value)[0].toJS();
  }
  return copy;
}

function same(first, second) {
  const sets = [first, second].map(
    (file) =>
      new Map(
        read(file)
          .filter((object) => !object.metadata?.annotations?.["helm.sh/hook"])
          .map(plain)
          .map((object) => [name(object), object]),
      ),
  );
  deepStrictEqual([...sets[0].keys()].sort(), [...sets[1].keys()].sort());
  for (const [key, object] of sets[0]) {
    deepStrictEqual(object, sets[1].get(key), `${key} differs`);
  }
  console.log(`${sets[0].size} objects are the same`);
}

const [mode, ...files] = process.argv.slice(2);
if (mode === "check" && files.length > 0) await check(files);
else if (mode === "same" && files.length === 2) same(...files);
else throw new Error("usage: objects.mjs check FILE... | same FILE FILE");
