/** What is kept of a batch, as the first who knew its id wrote it down. */
export interface BatchRecord {
  readonly batchId: string;
  /** Seconds since 1970, by the API's clock. */
  readonly createdAt: number;
  /** True when a search found it: its POST's reply never reached a record. */
  readonly adopted: boolean;
}
