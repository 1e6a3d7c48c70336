/** The samples of a Prometheus endpoint at one moment. */
export interface Scrape {
  readonly names: ReadonlySet<string>;
  /** The only sample with these labels, and perhaps others; fails if there is none, or more than one. */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
  /** The sum of the samples with these labels; 0 if there are none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
  /** All values that a label has in any sample. */
  labelValues(label: string): string[];
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads an endpoint as Prometheus would. */
export async function readScrape(url: string): Promise<Scrape> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const samples = (await response.text())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseSample);
  const matching = (name: string, labels: Readonly<Record<string, string>>): Sample[] =>
    samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
  return {
    names: new Set(samples.map(({ name }) => name)),
    value(name, labels = {}) {
      const found = matching(name, labels);
      if (found.length !== 1)
        throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}, not one`);
      return found[0]!.value;
    },
    sum: (name, labels = {}) => matching(name, labels).reduce((sum, { value }) => sum + value, 0),
    labelValues: (label) => [...new Set(samples.flatMap(({ labels }) => labels[label] ?? []))],
  };
}

function parseSample(line: string): Sample {
  const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) throw new Error(`No sample: ${line}`);
  const labels: Record<string, string> = {};
  for (const [, label, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
    labels[label!] = value!;
  return { name: match[1]!, labels, value: Number(match[3]) };
}
