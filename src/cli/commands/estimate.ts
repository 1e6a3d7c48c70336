import { join } from 'node:path';
import type { Command } from 'commander';
import { readEnvironment } from '../../environment.ts';
import { requestLines } from '../../file-work/requests/preview-requests.ts';
import { apiFingerprint } from '../../store/job-api.ts';
import { openStore } from '../../store/open-store.ts';
import { addJobOptions, INPUT_HELP, type JobFlags } from '../job-options.ts';
import { problemOf, readStart, withUnsentStart } from '../read-start.ts';
import { estimateJson, estimateText } from '../render-estimate.ts';
import { addSourceOptions, type SourceFlags } from '../source-options.ts';
import { toJson } from '../to-json.ts';

interface EstimateFlags extends JobFlags, SourceFlags {
  json?: boolean;
}

/** The options of jobs on which an estimate depends. */
const used = ['model', 'endpoint', 'shardLines', 'shardBytes', 'skipBadLines', 'tokenLimit', 'prices'];

export function addEstimate(program: Command): void {
  const command = program
    .command('estimate')
    .description(
      'say what a job would need: requests, batches, tokens and its price; sends nothing and needs no key',
    )
    .argument('[input...]', INPUT_HELP)
    .option('--json', 'print JSON')
    .action(estimate);
  addSourceOptions(command);
  command.optionsGroup('Job:');
  for (const option of addJobOptions(program.createCommand()).options)
    if (used.includes(option.attributeName())) command.addOption(option);
}

async function estimate(inputs: readonly string[], flags: EstimateFlags): Promise<void> {
  const request = await readStart(inputs, flags);
  const { home, apiBaseUrl } = readEnvironment();
  const problem = await withUnsentStart(request, async ({ start, input }) => {
    const { spec, template } = start;
    const lines = await requestLines(input, { spec, template, names: request.names });
    // Outside of the bundle of commands: the tokenizers and the price list take longer to load than most commands run.
    const { estimateStart } = await import('../../estimate/estimate-start.ts');
    const store = openStore(join(home, 'store'));
    const estimated = await estimateStart(lines, spec, store, apiFingerprint(apiBaseUrl));
    const shown = { input: spec.input.path, ofRows: template !== null, ...estimated };
    process.stdout.write(`${flags.json === true ? toJson(estimateJson(shown)) : estimateText(shown)}\n`);
    return problemOf(start, estimated);
  });
  if (problem !== null) throw problem;
}
