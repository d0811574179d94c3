// Holds dashboards against Grafana's schema: `node check.mjs FILE...` prints, as JSON, what the
// compiler says of each file. TENURE_GRAFANA_SCHEMA is the folder with the installed packages.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const packages = resolve(process.env.TENURE_GRAFANA_SCHEMA);
const ts = createRequire(join(packages, 'package.json'))('typescript');

// The sources lie, in the eyes of the compiler, beside the packages that they import.
const types = join(packages, 'dashboard.ts');
const own = dirname(fileURLToPath(import.meta.url));
const sources = new Map([[types, readFileSync(join(own, 'dashboard.ts'), 'utf8')]]);
const files = process.argv.slice(2);
files.forEach((file, at) => {
  const json = readFileSync(file, 'utf8');
  const source = `import type { Dashboard } from './dashboard';\nexport const dashboard: Dashboard = ${json};\n`;
  sources.set(join(packages, `file-${at}.ts`), source);
});

const options = {
  lib: ['lib.es2022.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  target: ts.ScriptTarget.ES2022,
  types: [],
};
const host = ts.createCompilerHost(options);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (name) => sources.has(name) || fileExists(name);
host.readFile = (name) => sources.get(name) ?? readFile(name);
host.getSourceFile = (name, target) =>
  sources.has(name) ? ts.createSourceFile(name, sources.get(name), target) : getSourceFile(name, target);

const program = ts.createProgram([...sources.keys()], options, host);
const messages = (name) => {
  const found = ts.getPreEmitDiagnostics(program, program.getSourceFile(name));
  return found.map((one) => {
    const { line } = one.file?.getLineAndCharacterOfPosition(one.start) ?? { line: 0 };
    return `${line}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`;
  });
};
const general = [...program.getGlobalDiagnostics(), ...program.getOptionsDiagnostics()];
if (general.length + messages(types).length > 0) {
  const texts = general.map((one) => ts.flattenDiagnosticMessageText(one.messageText, '\n'));
  throw new Error([...texts, ...messages(types)].join('\n'));
}
const answers = files.map((file, at) => [file, messages(join(packages, `file-${at}.ts`))]);
process.stdout.write(JSON.stringify(Object.fromEntries(answers)));
