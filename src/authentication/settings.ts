/** The settings of mail authentication: `milter.*`, `dkim.*`, `dmarc.*` and `arc.*` of the configuration. */
import type { SigningKeys } from "../dkim/keys.ts";
import type { SignSettings } from "../dkim/sign.ts";
import type { VerifySettings } from "../dkim/verify.ts";
import type { Disposer, DmarcSettings } from "../dmarc/disposition.ts";
import type { HistoryMessage } from "../dmarc/history.ts";
import type { Resolver } from "../dns/types.ts";
import type { SpfChecker } from "../spf/checker.ts";
import type { SpfTransactions } from "../spf/transactions.ts";
import type { RelaySettings, Relays } from "./relay.ts";
import type { MessageReport } from "./report.ts";
import type { RoleSettings } from "./role.ts";

export interface AuthenticationSettings extends RoleSettings, RelaySettings {
  /** The name in our Authentication-Results. */
  readonly authservId: string;
  /** Further names whose fields are removed. */
  readonly removeIds: readonly string[];
  /** True: nothing is rejected, held or deferred. */
  readonly isReport: boolean;
  /** Longest wait for DNS at one step of a message, in milliseconds. */
  readonly timeLimitMs: number;
  readonly maxHeaderBytes: number;
  readonly onError: "tempfail" | "accept";
  readonly verifiesDkim: boolean;
  readonly verifiesDmarc: boolean;
  readonly verifiesArc: boolean;
  readonly arc: {
    /** Which mail is sealed: none, that of the second pass, or what comes from outside too. */
    readonly seal: "no" | "forwarded" | "all";
    /** The domains whose key seals: the first one that has one. */
    readonly domains: readonly string[];
    /** Empty: any. */
    readonly selector: string;
  };
  readonly dmarc: DmarcSettings;
  readonly rejectMessage: string;
  readonly sign: SignSettings & {
    /** What becomes of mail whose key cannot be used. */
    readonly onError: "accept" | "tempfail";
    /** True: lists and envelope senders of ours are signed for foreign authors too. */
    readonly listMail: boolean;
  };
}

/** What checks work with. */
export interface CheckParts {
  readonly settings: AuthenticationSettings;
  readonly checker: SpfChecker;
  readonly dkim: VerifySettings;
  readonly disposer: Disposer;
  readonly relays: Relays;
  readonly resolver: Resolver;
  /** The clock of `performance.now()`. */
  readonly clockMs: () => number;
}

/** What mail authentication works with. */
export interface AuthenticationParts extends CheckParts {
  readonly keys: Pick<SigningKeys, "choose" | "candidates" | "sealer" | "sealerCandidates">;
  /** Shared with the policy service. */
  readonly transactions: SpfTransactions;
  /** Milliseconds since 1970. */
  readonly timeMs: () => number;
  readonly observe: (report: MessageReport) => void;
  /** Keeps the result of DMARC for reports. `undefined` if nobody wants it. */
  readonly record: ((message: HistoryMessage) => void) | undefined;
}
