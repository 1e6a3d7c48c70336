import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The file that takes longest begins first, as it would run alone at last; crash tests, which keep both cores busy by themselves, are last. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ project }: TestSpecification): number =>
      project.name === 'model' ? 0 : project.name === 'crash' ? 2 : 1;
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/**
 * Files at a time where tests mostly wait, for servers, processes and timers: three keep two cores busy, and their deadlines
 * stay far off.
 */
const waiting = { maxWorkers: 3, sequence: { groupOrder: 1 } };

/**
 * Files that share processes, and the libraries loaded in them: most of the time of a small file would be its imports. A test
 * that changes something global puts it back.
 */
const together = { maxWorkers: 2, isolate: false, unstubEnvs: true, unstubGlobals: true, restoreMocks: true };

/** Tests have the emulator's sources, as it is not built for them. */
const emulator = fileURLToPath(new URL('packages/openai-batch-emulator/src', import.meta.url));
const sources = {
  resolve: {
    alias: {
      'openai-batch-emulator/command': `${emulator}/command.ts`,
      'openai-batch-emulator': `${emulator}/index.ts`,
    },
  },
};

/** The tests of one kind, of this package and of those in `packages`. */
const ofAll = (kind: string): string[] =>
  ['test', 'packages/*/test'].map((folder) => `${folder}/${kind}/**/*.test.ts`);

/** One project per kind of test; `vitest run --project unit` runs one. */
const config: ViteUserConfig = defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      { ...sources, test: { name: 'unit', include: ofAll('unit'), testTimeout: 120_000, ...together } },
      {
        ...sources,
        test: {
          name: 'property',
          include: ['test/property/**/*.test.ts'],
          testTimeout: 120_000,
          ...together,
        },
      },
      {
        ...sources,
        test: {
          name: 'workflow',
          include: ['test/workflow/**/*.test.ts', 'test/replay/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          ...waiting,
        },
      },
      {
        ...sources,
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          // A row takes some seconds; on a machine with a load of 20 some take two minutes.
          testTimeout: 600_000,
          hookTimeout: 300_000,
          // Rows mostly wait: each has an API of its own, and all share a server and a worker.
          maxConcurrency: 14,
          ...waiting,
        },
      },
      {
        ...sources,
        test: {
          name: 'model',
          include: ['test/model/**/*.test.ts'],
          testTimeout: 1_800_000, // some two minutes on two idle cores
          hookTimeout: 300_000,
          ...waiting,
        },
      },
      {
        ...sources,
        test: {
          name: 'integration',
          include: [...ofAll('integration'), 'test/package/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 300_000,
          ...waiting,
        },
      },
      {
        ...sources,
        test: {
          name: 'crash',
          include: ['test/crash/**/*.test.ts'],
          testTimeout: 1_800_000, // several attacks on one job, on a machine with a load of 30
          hookTimeout: 300_000,
          // Cells mostly wait for timeouts: several share the cores, beside those of another file.
          maxConcurrency: 6,
          ...waiting,
        },
      },
    ],
  },
});

export default config;
