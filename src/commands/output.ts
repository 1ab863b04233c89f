/** Where a command writes: results on standard output, problems on standard error. */
export interface Output {
  line(text: string): void;
  problem(text: string): void;
}

export const standardOutput: Output = {
  line: (text) => void process.stdout.write(`${text}\n`),
  problem: (text) => void process.stderr.write(`postvouch: ${text}\n`),
};
