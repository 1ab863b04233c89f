/** The secret that all SRS servers share, so that each accepts what the others have signed. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const SRS_DOMAIN = "srs.example.org";

/** Writes the secret file and says where. */
export function writeSecret(directory: string): string {
  const file = join(directory, "srs.secrets");
  writeFileSync(file, "benchmark-secret-that-signs-nothing-else\n", { mode: 0o600 });
  return file;
}
