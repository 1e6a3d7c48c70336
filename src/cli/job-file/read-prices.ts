import type { GivenPrices } from '../../core/given-prices.ts';
import { pricesSchema } from '../../prices/price-schema.ts';
import { readText } from '../read-texts.ts';
import { parseYaml } from './parse-yaml.ts';

/**
 * Reads a price file in YAML or JSON.
 * @throws BatchError `bad_option` naming file, line and key; `bad_input` for a file that cannot be read
 */
export async function readPrices(path: string): Promise<GivenPrices> {
  return parseYaml(await readText(path), path, pricesSchema);
}
