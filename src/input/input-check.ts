import { createHash } from 'node:crypto';
import type { InputFingerprint } from '../core/job-spec.ts';

/** Takes the bytes of an input as they are read, to tell what they are. */
export class InputCheck {
  private readonly hash = createHash('sha256');
  private bytes = 0;

  add(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.hash.update(bytes);
  }

  /** What was read; ends the check. */
  fingerprint(): Pick<InputFingerprint, 'bytes' | 'sha256'> {
    return { bytes: this.bytes, sha256: this.hash.digest('hex') };
  }

  /** True when what was read is what the fingerprint names; ends the check. */
  isOf({ bytes, sha256 }: InputFingerprint): boolean {
    const read = this.fingerprint();
    return read.bytes === bytes && read.sha256 === sha256;
  }
}
