-- What a regional centre keeps. Amounts are exact decimal text in yuan, times are text in China
-- Standard Time. `region` is the centre of the treatment place, `pool` the insured pooling region.

CREATE TABLE persons (
    psn_no TEXT PRIMARY KEY, psn_name TEXT NOT NULL, psn_cert_type TEXT NOT NULL,
    certno TEXT NOT NULL UNIQUE, gend TEXT NOT NULL, naty TEXT NOT NULL, brdy TEXT NOT NULL,
    card_no TEXT NOT NULL UNIQUE, card_sn TEXT NOT NULL, token TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE insurances (
    psn_no TEXT NOT NULL REFERENCES persons, insutype TEXT NOT NULL, psn_type TEXT NOT NULL,
    insuplc_admdvs TEXT NOT NULL, psn_insu_stas TEXT NOT NULL, psn_insu_date TEXT NOT NULL,
    paus_insu_date TEXT NOT NULL, balc TEXT NOT NULL, cvlserv_flag TEXT NOT NULL,
    emp_name TEXT NOT NULL,
    PRIMARY KEY (psn_no, insutype, insuplc_admdvs)
) STRICT;

CREATE TABLE requests (
    msgid TEXT PRIMARY KEY, region TEXT NOT NULL, infno TEXT NOT NULL,
    fixmedins_code TEXT NOT NULL, psn_no TEXT NOT NULL, infcode INTEGER NOT NULL,
    err_msg TEXT NOT NULL, inf_refmsgid TEXT NOT NULL, received TEXT NOT NULL
) STRICT;

CREATE TABLE sign_ins (
    sign_no TEXT PRIMARY KEY, region TEXT NOT NULL, fixmedins_code TEXT NOT NULL,
    opter_no TEXT NOT NULL, sign_time TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'expired'))
) STRICT;

CREATE TABLE visits (
    mdtrt_id TEXT PRIMARY KEY, region TEXT NOT NULL, fixmedins_code TEXT NOT NULL,
    setting TEXT NOT NULL CHECK (setting IN ('outpatient', 'inpatient', 'pharmacy')),
    psn_no TEXT NOT NULL, insutype TEXT NOT NULL, insuplc_admdvs TEXT NOT NULL,
    pool TEXT NOT NULL, med_type TEXT NOT NULL, ipt_otp_no TEXT NOT NULL,
    begntime TEXT NOT NULL, endtime TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'discharged', 'cancelled')),
    reported INTEGER NOT NULL, msgid TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE INDEX visits_by_number ON visits (fixmedins_code, ipt_otp_no);
CREATE INDEX visits_by_person ON visits (psn_no);

CREATE TABLE diagnoses (
    mdtrt_id TEXT NOT NULL, stage TEXT NOT NULL CHECK (stage IN ('visit', 'discharge')),
    diag_srt_no TEXT NOT NULL, diag_code TEXT NOT NULL, diag_name TEXT NOT NULL,
    diag_type TEXT NOT NULL, maindiag_flag TEXT NOT NULL,
    PRIMARY KEY (mdtrt_id, stage, diag_srt_no, diag_type)
) STRICT;

CREATE TABLE charges (
    mdtrt_id TEXT NOT NULL, feedetl_sn TEXT NOT NULL, chrg_bchno TEXT NOT NULL,
    dise_codg TEXT NOT NULL, init_feedetl_sn TEXT NOT NULL, med_list_codg TEXT NOT NULL,
    det_item_fee_sumamt TEXT NOT NULL, cnt TEXT NOT NULL, pric TEXT NOT NULL,
    fulamt_ownpay_amt TEXT NOT NULL, overlmt_amt TEXT NOT NULL, preselfpay_amt TEXT NOT NULL,
    inscp_scp_amt TEXT NOT NULL, setl_id TEXT NOT NULL DEFAULT '', input TEXT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (mdtrt_id, feedetl_sn)
) STRICT;

-- state: settled counts; refunded was cancelled by 2208 or 2305 and refund is that cancellation's
-- own row with the sign turned; reversed was taken back by 2601.
CREATE TABLE settlements (
    setl_id TEXT PRIMARY KEY, mdtrt_id TEXT NOT NULL, psn_no TEXT NOT NULL, region TEXT NOT NULL,
    fund_region TEXT NOT NULL, pool TEXT NOT NULL, insutype TEXT NOT NULL,
    insuplc_admdvs TEXT NOT NULL, setting TEXT NOT NULL, year TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('settled', 'refunded', 'refund', 'reversed')),
    infno TEXT NOT NULL, msgid TEXT NOT NULL, chrg_bchno TEXT NOT NULL, origin TEXT NOT NULL,
    mid_setl_flag TEXT NOT NULL, setl_time TEXT NOT NULL, med_type TEXT NOT NULL,
    mdtrt_cert_type TEXT NOT NULL, clr_type TEXT NOT NULL, clr_optins TEXT NOT NULL,
    pay_loc TEXT NOT NULL, invono TEXT NOT NULL,
    medfee_sumamt TEXT NOT NULL, fund_pay_sumamt TEXT NOT NULL, hifp_pay TEXT NOT NULL,
    act_pay_dedc TEXT NOT NULL, acct_pay TEXT NOT NULL,
    amounts TEXT NOT NULL, shares TEXT NOT NULL, lines TEXT NOT NULL
) STRICT;
CREATE INDEX settlements_by_visit ON settlements (mdtrt_id);
CREATE INDEX settlements_by_person ON settlements (psn_no, year);
CREATE INDEX settlements_by_msgid ON settlements (msgid);

-- What each centre has in its own books: the treatment side what it owes the institution, the
-- insured side what its fund and accounts paid.
CREATE TABLE ledger (
    setl_id TEXT NOT NULL, region TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('treatment', 'insured')),
    fund_pay_sumamt TEXT NOT NULL, acct_pay TEXT NOT NULL,
    PRIMARY KEY (setl_id, role)
) STRICT;

-- Files that wait for 9102. `owner` is the institution they belong to, or plc for everybody.
CREATE TABLE files (
    file_qury_no TEXT PRIMARY KEY, region TEXT NOT NULL, owner TEXT NOT NULL,
    filename TEXT NOT NULL, until TEXT NOT NULL, content BLOB NOT NULL
) STRICT;

-- Inputs of transactions that are kept as they came.
CREATE TABLE documents (
    msgid TEXT PRIMARY KEY, region TEXT NOT NULL, infno TEXT NOT NULL,
    fixmedins_code TEXT NOT NULL, input TEXT NOT NULL
) STRICT;
CREATE INDEX documents_by_infno ON documents (region, infno, fixmedins_code);

-- Settlements of people from elsewhere that the institution confirmed for clearing (3261);
-- `transid` is the inf_refmsgid of the confirmation, `period` yyyyMM.
CREATE TABLE confirmations (
    setl_id TEXT PRIMARY KEY, region TEXT NOT NULL, fixmedins_code TEXT NOT NULL,
    period TEXT NOT NULL, transid TEXT NOT NULL, cnfm_flag TEXT NOT NULL
) STRICT;

-- Settlement lists as they were uploaded (4101); `findings` are those of the quality control.
CREATE TABLE lists (
    setl_id TEXT PRIMARY KEY, region TEXT NOT NULL, fixmedins_code TEXT NOT NULL,
    psn_no TEXT NOT NULL, setl_list_id TEXT NOT NULL, stas_type TEXT NOT NULL,
    setl_ym TEXT NOT NULL, uploaded TEXT NOT NULL, input TEXT NOT NULL, findings TEXT NOT NULL
) STRICT;

-- What institutions filed for a person: a transfer (2501), a chronic disease (2503), a designated
-- institution (2505). `subject` is what only one valid filing may be about.
CREATE TABLE filings (
    trt_dcla_detl_sn TEXT PRIMARY KEY, region TEXT NOT NULL, fixmedins_code TEXT NOT NULL,
    pool TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('transfer', 'chronic', 'designation')),
    subject TEXT NOT NULL, psn_no TEXT NOT NULL, begndate TEXT NOT NULL, enddate TEXT NOT NULL,
    filed TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('filed', 'withdrawn')),
    msgid TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE INDEX filings_by_person ON filings (psn_no, kind);

CREATE TABLE staff (
    region TEXT NOT NULL, fixmedins_code TEXT NOT NULL, psn_cert_type TEXT NOT NULL,
    certno TEXT NOT NULL, prac_psn_no TEXT NOT NULL, prac_psn_code TEXT PRIMARY KEY,
    prac_psn_name TEXT NOT NULL, prac_psn_type TEXT NOT NULL, hi_dr_flag TEXT NOT NULL,
    begntime TEXT NOT NULL, endtime TEXT NOT NULL
) STRICT;

CREATE TABLE serials (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
