"""What the gateway means by its own names: identifier systems, code systems, extensions.

Titles are in Chinese and in English. A test holds these tables to the message maps and to the
modules that write answers: a name that is used has a row here, and a row is used somewhere.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Identifiers(NamedTuple):
    """An identifier system, `{base}/id/NAME`."""

    name: str
    zh: str
    en: str


class Codes(NamedTuple):
    """A code system, `{base}/CodeSystem/NAME`.

    `dictionary` is the national dictionary that it publishes, empty where its codes come from
    elsewhere: `content` then is `complete` for a list of our own and `not-present` for a national
    list that is loaded into the code tables.
    """

    name: str
    zh: str
    en: str
    dictionary: str = ""
    content: str = "complete"


class Extension(NamedTuple):
    """An extension, `{base}/StructureDefinition/NAME`.

    `types` are the types of its value; with `parts` (name and type) it has extensions instead.
    `codes` is the code system whose codes are meant.
    """

    name: str
    zh: str
    en: str
    contexts: tuple[str, ...]
    types: tuple[str, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    codes: str = ""


IDENTIFIERS: Final = (
    Identifiers("resident-id", "居民身份证号", "Number of the resident identity card"),
    Identifiers("social-card", "社会保障卡卡号", "Number of the social security card"),
    Identifiers("psn-no", "医保人员编号", "Person number of the insurance"),
    Identifiers("ipt-otp-no", "住院/门诊号", "Visit number of the hospital"),
    Identifiers("mdtrt-id", "就诊ID", "Visit number of the platform"),
    Identifiers("setl-id", "结算ID", "Settlement"),
    Identifiers("chrg-bchno", "收费批次号", "Charge batch"),
    Identifiers("medins-setl-id", "医药机构结算ID", "Settlement number of the institution"),
    Identifiers("fsi-msgid", "发送方报文ID", "Message id of the transaction"),
    Identifiers("exchange", "网关消息编号", "Message of the gateway's journal"),
    Identifiers("filing", "待遇申报明细流水号", "Filing"),
    Identifiers("fixmedins", "定点医药机构编号", "Institution"),
    Identifiers("physician", "医师编号", "Physician, by the hospital's own or the national code"),
    Identifiers("department", "科室编号", "Department, by the hospital's own code"),
    Identifiers("admdvs", "医保区划", "Region of the insurance"),
)

CODES: Final = (
    Codes("insutype", "险种类型", "Insurance type", "insutype"),
    Codes("med-type", "医疗类别", "Medical category", "med_type"),
    Codes("mdtrt-cert-type", "就诊凭证类型", "Certificate presented", "mdtrt_cert_type"),
    Codes("psn-setlway", "个人结算方式", "Way of settling", "psn_setlway"),
    Codes("diag-type", "诊断类别", "Western or traditional diagnosis", "diag_type"),
    Codes("dscg-way", "离院方式", "Way of discharge", "dscg_way"),
    Codes("adm-way", "入院途径", "Way of admission", "adm_way"),
    Codes("anst-way", "麻醉方式", "Way of anaesthesia", "anst_mtd_code"),
    Codes("patn-rlts", "与患者关系", "Relation of a contact to the patient", "patn_rlts"),
    Codes("hosp-appr-flag", "医院审批标志", "Approval by the hospital", "hosp_appr_flag"),
    Codes("rx-circ-flag", "外购处方标志", "Prescription filled elsewhere"),
    Codes("etip-flag", "外检标志", "Examined elsewhere"),
    Codes("dscg-tkdrug-flag", "出院带药标志", "Drug taken home at discharge"),
    Codes("matn-fee-flag", "生育费用标志", "Fee of a birth"),
    Codes("chrgitm-lv", "收费项目等级", "Class of a charge item", "chrgitm_lv"),
    Codes("clr-way", "清算方式", "Way of clearing", "clr_way"),
    Codes("clr-type", "清算类别", "Type of clearing", "clr_type"),
    Codes("fsi-fund-pay-type", "基金支付类型", "Funds", "fund_pay_type"),
    Codes("fsi-amount", "结算金额", "Amounts of a settlement, by field code"),
    Codes("fsi-gateway-error", "网关问题代码", "Problem codes"),
    Codes("message-event", "消息事件", "Events of messages"),
    Codes("filing", "备案类别", "Kinds of filings, and the check of an entitlement"),
    Codes("trt-enjymnt-flag", "待遇享受标志", "Whether a benefit is enjoyed", "trt_enjymnt_flag"),
    Codes("cum-type", "累计类别代码", "What is counted over a year", content="not-present"),
    Codes("visit-class", "就诊场景", "Setting of a visit"),
    Codes("med-list", "医保目录编码", "National item codes", content="not-present"),
    *(
        Codes(name, zh, en, content="not-present")
        for name, zh, en in (
            ("western-drug", "西药编码", "Western drugs"),
            ("patent-drug", "中成药编码", "Chinese patent drugs"),
            ("herbal", "中药饮片编码", "Herbal pieces"),
            ("preparation", "医疗机构制剂编码", "Preparations of hospitals"),
            ("service-item", "医疗服务项目编码", "Medical services"),
            ("consumable", "医用耗材编码", "Consumables"),
            ("disease", "疾病诊断编码", "Diagnoses"),
            ("tcm", "中医病证编码", "Diseases and syndromes of Chinese medicine"),
            ("surgery", "手术操作编码", "Operations"),
            ("chronic", "门诊慢特病病种编码", "Chronic and special diseases"),
            ("physician", "医保医师编码", "Physicians"),
            ("department", "科室编码", "Departments"),
            ("local-item", "医院收费项目编码", "Charge items of the hospital"),
            ("local-diagnosis", "医院诊断编码", "Diagnoses of the hospital"),
            ("local-operation", "医院手术操作编码", "Operations of the hospital"),
            ("local-physician", "医院医师编码", "Physicians of the hospital"),
            ("local-department", "医院科室编码", "Departments of the hospital"),
        )
    ),
)

EXTENSIONS_OF_OTHERS: Final = {
    "patient-nationality": "http://hl7.org/fhir/StructureDefinition/patient-nationality",
    "code": "a part of patient-nationality",
}
"""Extensions that are read and are not ours to publish."""

FLAG: Final = ("boolean", "code")
CLAIM: Final = ("Claim",)
ITEM: Final = ("Claim.item",)

EXTENSIONS: Final = (
    Extension("encounter", "就诊", "Encounter of a Claim", CLAIM, ("Reference",)),
    Extension(
        "mdtrt-cert",
        "就诊凭证",
        "Certificate that the person presents; the number of an e-voucher is never repeated",
        (
            *("Claim", "Claim.insurance", "CoverageEligibilityRequest", "Coverage"),
            *("Encounter", "Patient"),
        ),
        parts=(("type", "code"), ("value", "string"), ("card-sn", "string")),
        codes="mdtrt-cert-type",
    ),
    Extension(
        "med-type",
        "医疗类别",
        "Medical category",
        ("Claim", "Encounter", "CoverageEligibilityRequest"),
        ("code",),
        codes="med-type",
    ),
    Extension(
        "insuplc-admdvs",
        "参保地区划",
        "Insured region",
        (
            *("Coverage", "Claim", "ClaimResponse", "CoverageEligibilityRequest"),
            *("Encounter", "Patient"),
        ),
        ("code",),
    ),
    Extension(
        "mdtrtarea-admvs",
        "就医地区划",
        "Region of the place of treatment",
        ("Organization",),
        ("code",),
    ),
    Extension(
        "insutype",
        "险种类型",
        "Insurance type",
        ("Claim", "CoverageEligibilityRequest", "Encounter"),
        ("code",),
        codes="insutype",
    ),
    Extension(
        "psn-setlway", "个人结算方式", "Way of settling", CLAIM, ("code",), codes="psn-setlway"
    ),
    Extension("acct-used-flag", "个人账户使用标志", "Pay from the account", CLAIM, FLAG),
    Extension("mid-setl-flag", "中途结算标志", "Settled midway", CLAIM, FLAG),
    Extension("invono", "发票号", "Number of the invoice", CLAIM, ("string",)),
    Extension("chrg-bchno", "收费批次号", "Charge batch", ("Claim", "Claim.item"), ("string",)),
    Extension(
        "hosp-appr-flag",
        "医院审批标志",
        "Approval by the hospital",
        ITEM,
        ("code",),
        codes="hosp-appr-flag",
    ),
    Extension("rx-circ-flag", "外购处方标志", "Prescription filled elsewhere", ITEM, FLAG),
    Extension("etip-flag", "外检标志", "Examined elsewhere", ITEM, FLAG),
    Extension("dscg-tkdrug-flag", "出院带药标志", "Drug taken home at discharge", ITEM, FLAG),
    Extension("matn-fee-flag", "生育费用标志", "Fee of a birth", ITEM, FLAG),
    Extension(
        "diag-type",
        "诊断类别",
        "Western or traditional diagnosis",
        ("Claim.diagnosis.diagnosis[x]",),
        ("code",),
        codes="diag-type",
    ),
    Extension(
        "anst-way",
        "麻醉方式",
        "Way of anaesthesia, for the settlement list",
        ("Claim.procedure", "Procedure"),
        ("code",),
        codes="anst-way",
    ),
    Extension(
        "error-expression",
        "错误位置",
        "FHIRPath of an error, for which R4 has no element",
        ("ClaimResponse.error", "CoverageEligibilityResponse.error"),
        ("string",),
    ),
    Extension(
        "visit-class",
        "就诊场景",
        "Setting of the visit",
        ("ClaimResponse",),
        ("code",),
        codes="visit-class",
    ),
    Extension(
        "setl-clr",
        "清算信息",
        "How the settlement is cleared",
        ("ClaimResponse",),
        parts=(("clr_optins", "code"), ("clr_way", "code"), ("clr_type", "code")),
    ),
    Extension(
        "valid-period",
        "有效期",
        "Days on which a mapping or a code holds",
        ("ConceptMap.group.element.target", "CodeSystem.concept"),
        ("Period",),
    ),
    Extension(
        "reversed-setl-id",
        "被冲销的结算",
        "The settlement that was cancelled",
        ("ClaimResponse",),
        ("Identifier",),
    ),
)
