/** The name of each call of the emulated API, as rules and counters use it. */
export const CallKind = {
  filesCreate: 'files.create',
  filesList: 'files.list',
  filesRetrieve: 'files.retrieve',
  filesContent: 'files.content',
  filesDelete: 'files.delete',
  uploadsCreate: 'uploads.create',
  uploadsParts: 'uploads.parts',
  uploadsComplete: 'uploads.complete',
  uploadsCancel: 'uploads.cancel',
  batchesCreate: 'batches.create',
  batchesRetrieve: 'batches.retrieve',
  batchesList: 'batches.list',
  batchesCancel: 'batches.cancel',
  modelsList: 'models.list',
  modelsRetrieve: 'models.retrieve',
} as const;
export type CallKind = (typeof CallKind)[keyof typeof CallKind];

/** `before`: the call has changed nothing. `after`: the work is done, but the client gets no response that shows it. */
export type FaultMoment = 'before' | 'after';

export type CallFault =
  | {
      kind: 'status';
      /** 200 to 599; below 400 it is the response of a proxy that reports success in place of the server. */
      status: number;
      /** @default 'before' */
      when?: FaultMoment | undefined;
      /** The form of the body: OpenAI's envelope, a line of text, or a proxy's HTML page. @default 'json' */
      body?: 'json' | 'text' | 'html' | undefined;
      message?: string | undefined;
      code?: string | undefined;
      /** Sent as `retry-after`. */
      retryAfterSeconds?: number | undefined;
    }
  /** The connection is reset; with `during`, once `afterBytes` of the request's body have arrived. */
  | { kind: 'reset'; when?: FaultMoment | 'during' | undefined; afterBytes?: number | undefined }
  /** The response is delayed by `ms`, or never sent without it. */
  | { kind: 'hold'; when?: FaultMoment | undefined; ms?: number | undefined }
  /** A download stops after this share of the file, for `ms` or for ever. */
  | { kind: 'stall'; afterFraction?: number | undefined; ms?: number | undefined }
  /** A download ends early. With `clean` the announced length is the short one, so that only the content shows the loss. */
  | { kind: 'truncate'; afterFraction?: number | undefined; clean?: boolean | undefined }
  /** A download arrives in this many pieces, `ms` apart. */
  | { kind: 'slow'; pieces?: number | undefined; ms?: number | undefined }
  /** A list always reports more pages, and starts over after the last one. */
  | { kind: 'endless_paging' }
  /** A list does not report whether there are more pages. */
  | { kind: 'no_has_more' }
  /** A list returns its first page whatever `after` is, and always reports more. */
  | { kind: 'repeated_page' }
  /** A list of summaries: these members are left out. @default `SUMMARY_WITHOUT` */
  | { kind: 'summary_list'; without?: string[] | undefined }
  /** 413, as from a gateway: a file, part or upload, or the input file of a new batch, has more bytes. */
  | {
      kind: 'too_large';
      bytes: number;
      /** @default 'json' */
      body?: 'json' | 'html' | undefined;
      message?: string | undefined;
      code?: string | undefined;
    };

/** The members that the lists of some servers leave out of a batch. */
export const SUMMARY_WITHOUT: readonly string[] = [
  'output_file_id',
  'error_file_id',
  'request_counts',
  'usage',
  'errors',
  'metadata',
];
