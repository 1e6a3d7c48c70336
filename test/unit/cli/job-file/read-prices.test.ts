import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { readPrices } from '../../../../src/cli/job-file/read-prices.ts';
import { readStart } from '../../../../src/cli/read-start.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const folder = new TempFolder();
afterAll(() => folder[Symbol.dispose]());

function file(name: string, text: string): string {
  writeFileSync(folder.at(name), text);
  return folder.at(name);
}

const prices = {
  date: '2026-11-01',
  models: {
    m: { input: 2.5, output: 10, batch: { output: 7.5 }, tiers: [{ above: 272_000, input: 5, output: 15 }] },
  },
};
const yaml =
  'date: 2026-11-01\nmodels:\n  m:\n    input: 2.5\n    output: 10\n    batch: { output: 7.5 }\n    tiers:\n      - { above: 272000, input: 5, output: 15 }\n';

test('a price file is YAML or JSON', async () => {
  expect(await readPrices(file('prices.yaml', yaml))).toEqual(prices);
  expect(await readPrices(file('prices.json', JSON.stringify(prices)))).toEqual(prices);
});

test('it is named by a job file, and an option takes precedence', async () => {
  const job = file('a.job.yaml', 'input: a.jsonl\nprices: { file: prices.yaml }\n');
  expect((await readStart([job], {})).options).toMatchObject({ prices });
  const own = file('own.job.yaml', 'input: a.jsonl\nprices: { models: { m: { input: 1, output: 2 } } }\n');
  expect((await readStart([own], {})).options).toMatchObject({
    prices: { models: { m: { input: 1, output: 2 } } },
  });
  const other = file('other.yaml', 'models: { m: { input: 0, output: 0.00001 } }');
  expect((await readStart([job], { prices: other })).options).toMatchObject({
    prices: { models: { m: { input: 0, output: 0.00001 } } },
  });
});

const usd = 'must be USD per million tokens, from 0 to 1,000,000, with at most five decimals.';
const tiers = 'must be a list of prices, each with "above", in ascending order.';

describe('a bad price file is named with line and key', () => {
  test.each([
    ['no YAML', 'models: {', ':1: is not valid YAML ('],
    ['a list', '- m', ':1: must be {"models": …} with the prices of each model.'],
    ['nothing', '', ':1: must be {"models": …} with the prices of each model.'],
    ['no models', 'date: 2026-11-01\nmodels: {}', ':2: key models must name at least one model.'],
    [
      'models without names',
      'models: [m]',
      ':1: key models must be an object of prices by the name of the model.',
    ],
    ['a price as a text', 'models:\n  m: { input: "2.5", output: 1 }', `:2: key models.m.input ${usd}`],
    ['no output price', 'models:\n  m:\n    input: 2.5', `:2: key models.m.output ${usd}`],
    ['a negative price', 'models:\n  m:\n    input: -1\n    output: 1', `:3: key models.m.input ${usd}`],
    [
      'a price of six decimals',
      'models:\n  m:\n    input: 1\n    output: 0.000001',
      `:4: key models.m.output ${usd}`,
    ],
    ['a price per token', 'models:\n  m:\n    input: 2.5e-6\n    output: 1', `:3: key models.m.input ${usd}`],
    ['an infinite price', 'models:\n  m:\n    input: .inf\n    output: 1', `:3: key models.m.input ${usd}`],
    [
      'one price for all',
      'models:\n  m: 5',
      ':2: key models.m must be prices, such as {input: 2.5, output: 10}.',
    ],
    [
      'a misspelt kind',
      'models:\n  m:\n    input: 1\n    outputs: 1',
      ':4: key models.m.outputs does not exist: did you mean output?',
    ],
    [
      'an unknown kind',
      'models:\n  m:\n    input: 1\n    output: 1\n    cache: 1',
      ':5: key models.m.cache does not exist: did you mean cached?',
    ],
    [
      'an unknown kind of a batch',
      'models:\n  m:\n    input: 1\n    output: 1\n    batch:\n      outptu: 1',
      ':6: key models.m.batch.outptu does not exist: did you mean output?',
    ],
    [
      'a tier without its start',
      'models:\n  m:\n    input: 1\n    output: 1\n    tiers:\n      - { input: 1, output: 1 }',
      ':6: key models.m.tiers.0.above must be a number of tokens, from 1 to 100,000,000.',
    ],
    [
      'tiers in another order',
      'models:\n  m:\n    input: 1\n    output: 1\n    tiers: [{ above: 2, input: 1, output: 1 }, { above: 1, input: 1, output: 1 }]',
      `:5: key models.m.tiers ${tiers}`,
    ],
    [
      'an impossible day',
      'date: 2026-13-01\nmodels: { m: { input: 1, output: 1 } }',
      ':1: key date must be a day, such as 2026-11-01.',
    ],
    [
      'a misspelt key',
      'model: { m: { input: 1, output: 1 } }',
      ':1: key model does not exist: did you mean models?',
    ],
  ])('%s', async (_, text, message) => {
    const path = file('bad.yaml', text);
    await expect(readPrices(path)).rejects.toThrow(`${path}${message}`);
    await expect(readPrices(path)).rejects.toMatchObject({ code: 'bad_option' });
  });

  test('a file that does not exist', async () => {
    await expect(readStart(['a.jsonl'], { prices: folder.at('no.yaml') })).rejects.toThrow(
      'no.yaml does not exist: check the path.',
    );
  });
});
