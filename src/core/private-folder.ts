/**
 * Options for creating the home and the folders directly in it: only the user may read prompts and answers. The files in them
 * follow the umask, so that a group can share a home that was created for it.
 */
export const privateFolder = { recursive: true, mode: 0o700 } as const;
