import { join } from 'node:path';
import type { StartOptions } from '../../src/client/index.ts';
import type { JobSpec } from '../../src/core/job-spec.ts';
import { keepTemplate } from '../../src/job/job-template.ts';
import { resolveStart } from '../../src/job/start-options.ts';
import { openStore } from '../../src/store/open-store.ts';

/** The spec of a start, for a test that starts the workflow itself: what the workflow reads is in the store of the home. */
export async function keptSpec(options: StartOptions, home: string): Promise<JobSpec> {
  const store = openStore(join(home, 'store'));
  const { spec, template } = await resolveStart(options, store);
  if (template !== null) await keepTemplate(store, template);
  return spec;
}
