/** Which sender domains are ours, and so are never rewritten. */
export interface OwnDomains {
  /**
   * Whether `domain` (as it came, any case, a trailing dot allowed) is own. A promise only when something outside the
   * process has to be asked; it rejects when that does not answer and nothing is known.
   */
  has(domain: string): boolean | Promise<boolean>;
}
