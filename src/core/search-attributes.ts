/**
 * The search attributes of jobs, by which Temporal's Web UI and `list` find them. The embedded server is started with
 * them; elsewhere they are registered once (docs/temporal.md).
 */
export const searchAttributes = {
  /** A `JobState`. */
  status: { name: 'DurableBatchStatus', type: 'KEYWORD' },
  /** Models of the job's lines. */
  models: { name: 'DurableBatchModels', type: 'KEYWORD_LIST' },
  /** Whose money it is, as the user calls it. */
  account: { name: 'DurableBatchAccount', type: 'KEYWORD' },
  /** Ids of batches in flight, the latest ones: a value may have 2 KB. */
  batchIds: { name: 'DurableBatchBatchIds', type: 'KEYWORD_LIST' },
  /** The schedule that started the job. */
  schedule: { name: 'DurableBatchSchedule', type: 'KEYWORD' },
} as const;
