export type FileFault =
  /** Reads return 404 for this many seconds after creation. */
  | { kind: 'not_found'; seconds: number }
  | BytesFault
  /** The upload is refused, and so is every later upload of the same bytes. */
  | RefusedFault;

/** A permanent refusal. */
export interface RefusedFault {
  kind: 'refused';
  /** 400 to 599. */
  status: number;
  code?: string | undefined;
  message?: string | undefined;
}

/** A wrong `bytes` in a file object: another number, or the right one plus `add`. */
export interface BytesFault {
  kind: 'bytes';
  value?: number | undefined;
  add?: number | undefined;
}
