import { createHash } from 'node:crypto';
import type { InputFingerprint } from '../core/job-spec.ts';

/** Computes the fingerprint of an input while it is read. */
export class InputCheck {
  private readonly hash = createHash('sha256');
  private bytes = 0;

  add(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.hash.update(bytes);
  }

  /** The fingerprint of the bytes so far; ends the check. */
  fingerprint(): Pick<InputFingerprint, 'bytes' | 'sha256'> {
    return { bytes: this.bytes, sha256: this.hash.digest('hex') };
  }

  /** True when the bytes have this fingerprint; ends the check. */
  isOf({ bytes, sha256 }: InputFingerprint): boolean {
    const read = this.fingerprint();
    return read.bytes === bytes && read.sha256 === sha256;
  }
}
