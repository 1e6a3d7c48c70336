import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/**
 * Writes the licences of the packages whose code is part of bundles, which their metafiles name.
 * @param {string} path
 * @param {import('esbuild').Metafile[]} metafiles
 */
export function writeLicences(path, metafiles) {
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  const folders = inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? []);
  const texts = [...new Set(folders)].sort().map((folder) => {
    const {
      name,
      version,
      license = 'see below',
    } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
    const files = readdirSync(folder, { withFileTypes: true }).filter(
      (file) => file.isFile() && /^(licen[cs]e|notice|copying)/i.test(file.name),
    );
    const said = files.map((file) => readFileSync(`${folder}/${file.name}`, 'utf8').trim());
    return [`${name} ${version} (${license})`, ...said].join('\n\n');
  });
  writeFileSync(
    path,
    `Code of these packages is part of files of this folder.\n\n${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`,
  );
}
