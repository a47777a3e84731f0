/** Folder of everything that a stack keeps: `.data` in the checkout, or `override`, or CLOVE_HOME. Made if absent. */
export function dataHome(_override?: string): string {
  throw new Error('being written');
}

/** A random secret of at least 24 URL-safe characters, made once and kept in `home` readable by its owner only. */
export function secret(_home: string, _name: string): string {
  throw new Error('being written');
}

/**
 * Makes this process the only launcher of `home`; returns the release.
 * @throws CloveError `conflict` naming the process id of the launcher that holds it
 */
export function lockHome(_home: string): () => void {
  throw new Error('being written');
}
