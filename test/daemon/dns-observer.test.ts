import { expect, test } from "vitest";
import { dnsLog } from "../../src/daemon/dns-observer.ts";
import type { DnsEvent } from "../../src/dns/trouble-reports.ts";
import { formatLine, type Logger } from "../../src/process/log.ts";

const TROUBLE = {
  kind: "trouble",
  server: "192.0.2.1:53",
  trouble: "servfail",
  name: "a.example",
  type: "TXT",
} as const;

test.each<[string, DnsEvent]>([
  [
    'warn dns server=192.0.2.1:53 trouble=servfail name=a.example type=TXT detail="RCODE 2, DNSSEC Bogus"',
    { ...TROUBLE, detail: "RCODE 2, DNSSEC Bogus", suppressed: 0 },
  ],
  [
    'warn dns server=192.0.2.1:53 trouble=servfail name=a.example type=TXT detail="RCODE 2" suppressed=7',
    { ...TROUBLE, detail: "RCODE 2", suppressed: 7 },
  ],
  [
    'error dns state="every server fails" failures=5 problem="192.0.2.1:53 timeout (no reply in 3000 ms)"',
    { kind: "outage", failures: 5, detail: "192.0.2.1:53 timeout (no reply in 3000 ms)" },
  ],
  ["info dns state=recovered failures=5", { kind: "recovered", failures: 5 }],
  [
    'info dns state="other servers" resolv_conf=/etc/resolv.conf servers="192.0.2.1:53 192.0.2.2:53"',
    { kind: "servers", path: "/etc/resolv.conf", servers: "192.0.2.1:53 192.0.2.2:53" },
  ],
])("%s", (line, event) => {
  const lines: string[] = [];
  const logger: Logger = {
    enabled: () => true,
    log: (level, name, fields = {}) => lines.push(formatLine(level, name, fields)),
    configure: () => {},
    flush: () => {},
  };
  dnsLog(logger)(event);
  expect(lines).toEqual([line]);
});
