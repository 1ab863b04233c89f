/** The header fields that are signed by default. In a file of their own, since an import needs nothing else of DKIM. */

/** The fields that are signed if nobody says otherwise: RFC 6376 section 5.4.1, with all that mailing lists add. */
export const USUAL_HEADERS: readonly string[] = [
  "From",
  "Sender",
  "Reply-To",
  "Subject",
  "Date",
  "To",
  "Cc",
  "Message-ID",
  "In-Reply-To",
  "References",
  "MIME-Version",
  "Content-Type",
  "Content-Transfer-Encoding",
  "List-Id",
  "List-Help",
  "List-Unsubscribe",
  "List-Unsubscribe-Post",
  "List-Subscribe",
  "List-Post",
  "List-Owner",
  "List-Archive",
  "Autocrypt",
];
