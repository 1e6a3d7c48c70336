import type { JobSpec } from '../core/job-spec.ts';
import type { JobReport } from '../core/progress.ts';
import { isOtherApi } from '../store/job-api.ts';
import { jobFiles } from '../store/job-files.ts';
import { readRecord, type Store } from '../store/store.ts';

/** What the answers of earlier jobs had. */
export interface EarlierOutput {
  /** Mean output tokens of an answer. */
  readonly tokens: number;
  /** Their number. */
  readonly answers: number;
  readonly jobs: number;
}

/**
 * The output tokens of finished jobs of a store with the same request template; null if there are none. Jobs at another API than this
 * `apiFingerprint` do not count: an emulator's answers are not OpenAI's.
 */
export async function earlierOutput(
  store: Store,
  templateSha256: string,
  api: string,
): Promise<EarlierOutput | null> {
  let [tokens, answers, jobs] = [0, 0, 0];
  for (const job of await store.listFolders(jobFiles.all)) {
    const spec = await readRecord<JobSpec>(store, jobFiles.spec(job));
    if (spec?.template?.sha256 !== templateSha256 || (await isOtherApi(store, job, api))) continue;
    const report = await readRecord<JobReport>(store, jobFiles.report(job));
    const bought = report === null ? 0 : report.answered - (report.reused ?? 0);
    if (report === null || bought <= 0) continue;
    tokens += report.output_tokens;
    answers += bought;
    jobs += 1;
  }
  return answers === 0 ? null : { tokens: tokens / answers, answers, jobs };
}
