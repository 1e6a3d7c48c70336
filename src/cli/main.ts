#!/usr/bin/env node
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { isClientCommand } from './client-commands.ts';
import type * as program from './program.ts';

// Caches compiled code for the next command; Node 20 has no such cache.
(module as { enableCompileCache?: () => unknown }).enableCompileCache?.();

const require = module.createRequire(import.meta.url);
const { version } = require('../../package.json') as { version: string };
const oneFile = fileURLToPath(new URL('./clients/program.cjs', import.meta.url));

// `require`, since `import` would parse the whole file once more to find its exports.
const { runProgram } =
  isClientCommand(process.argv.slice(2)) && existsSync(oneFile)
    ? (require(oneFile) as typeof program)
    : await import('./program.ts');

await runProgram(version);
// Connections of the native core would keep the process alive for seconds; all work is awaited above.
process.exit();
