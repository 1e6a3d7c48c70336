import { generate } from 'selfsigned';

/** A certificate and its key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const strong = { keyType: 'ec', algorithm: 'sha256' } as const;
const named = (value: string): { name: string; value: string }[] => [{ name: 'commonName', value }];

/** Creates an authority that signs certificates. */
export async function createAuthority(name: string): Promise<KeyPair> {
  const { cert, private: key } = await generate(named(name), {
    ...strong,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { cert, key };
}

/** A certificate for a server with this DNS name, or for a client, signed by an authority. */
export async function signedBy(authority: KeyPair, name: string): Promise<KeyPair> {
  const { cert, private: key } = await generate(named(name), {
    ...strong,
    ca: authority,
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: name }] },
    ],
  });
  return { cert, key };
}
