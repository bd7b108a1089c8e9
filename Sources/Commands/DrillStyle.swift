// SPDX-License-Identifier: Apache-2.0

/// How the report of a drill looks: ink on paper, one accent, numbers in columns.
enum DrillStyle {
    static let sheet = """

        :root{--ink:#1b1f23;--grey:#667079;--line:#dfe3e6;--good:#1f6b45;--bad:#a8261c;--open:#8a5a0a}
        *{box-sizing:border-box}
        body{margin:0;background:#f3f4f5;color:var(--ink);font:15px/1.5 "Helvetica Neue",Helvetica,Arial,\
        "Liberation Sans",sans-serif;-webkit-print-color-adjust:exact;print-color-adjust:exact}
        main{max-width:920px;margin:32px auto;padding:52px 80px 44px;background:#fff;border:1px solid var(--line)}
        h1,h2,h3,p,dl,dd,ul,figure{margin:0;padding:0}
        .kind{font-size:12px;letter-spacing:.14em;text-transform:uppercase;color:var(--grey)}
        h1{font-size:30px;line-height:1.25;font-weight:600;letter-spacing:-.01em;overflow-wrap:anywhere}
        .when{margin-top:4px;color:var(--grey)}
        .when b{font-weight:500;color:var(--ink)}
        .verdict{margin-top:24px;padding:14px 20px;border-left:5px solid;display:flex;gap:20px;align-items:baseline}
        .verdict strong{font-size:20px;font-weight:600;white-space:nowrap}
        .verdict span{color:var(--ink)}
        .verdict.proven{border-color:var(--good);background:#eef5f1;color:var(--good)}
        .verdict.different{border-color:var(--bad);background:#faefee;color:var(--bad)}
        .verdict.failed{border-color:var(--open);background:#faf5ea;color:var(--open)}
        .figures{display:grid;grid-template-columns:repeat(4,1fr);margin-top:28px}
        .figures div{padding:0 16px;border-left:1px solid var(--line)}
        .figures div:first-child{padding-left:0;border-left:0}
        .figures dt{font-size:12.5px;color:var(--grey)}
        .figures dd{font-size:23px;line-height:1.35;font-weight:500;font-variant-numeric:tabular-nums}
        .figures small{display:block;font-size:12.5px;font-weight:400;color:var(--grey)}
        section{margin-top:36px}
        h2{margin-bottom:12px;padding-bottom:6px;border-bottom:1px solid var(--ink);font-size:15px;font-weight:600}
        h3{margin-bottom:8px;font-size:14px;font-weight:600;overflow-wrap:anywhere}
        svg{display:block;width:100%;height:auto;overflow:visible}
        svg text{font-family:inherit;font-size:12px;fill:var(--ink);font-variant-numeric:tabular-nums}
        svg .tick{fill:var(--grey);font-size:11px}
        .grid{stroke:var(--line);stroke-width:1}
        .course{fill:none;stroke:#5f93b3;stroke-width:1.25}
        .dot{fill:#1d4e6f;stroke:#1d4e6f;stroke-width:1.25}
        .dot.different{fill:var(--bad);stroke:var(--bad)}
        .dot.failed{fill:#fff;stroke:var(--open)}
        .legend{display:flex;flex-wrap:wrap;gap:4px 22px;margin-top:8px;list-style:none;font-size:12.5px;\
        color:var(--grey)}
        .legend i{display:inline-block;width:11px;height:11px;margin-right:7px;vertical-align:-1px}
        .pair{display:grid;grid-template-columns:1fr 1fr;gap:16px}
        figcaption{margin-bottom:4px;font-size:13px;font-weight:500}
        .note,.none{margin-top:6px;font-size:12.5px;color:var(--grey)}
        table{width:100%;border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}
        th,td{padding:6px 18px 6px 0;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--line);\
        overflow-wrap:anywhere}
        th:last-child,td:last-child{padding-right:0}
        thead th{font-size:12px;font-weight:500;color:var(--grey);vertical-align:bottom}
        tbody th{font-weight:500}
        .n{text-align:right;white-space:nowrap}
        thead .n{white-space:normal}
        td.proven{color:var(--good);font-weight:600;white-space:nowrap}
        td.failed{color:var(--open);font-weight:600;white-space:nowrap}
        .different{color:var(--bad);font-weight:600}
        .content+.content{margin-top:24px}
        .sides{display:grid;grid-template-columns:1fr 1fr;gap:36px;align-items:start}
        .digests div{margin-bottom:12px}
        .digests dt{font-size:12px;color:var(--grey)}
        .digests dd{font:12px/1.5 "DejaVu Sans Mono","Liberation Mono",Menlo,Consolas,monospace}
        .counts th,.counts td{padding-top:3px;padding-bottom:3px}
        .counts tbody th{font-weight:400}
        .plain th{width:168px;font-weight:400;color:var(--grey)}
        .problems ul{list-style:none}
        .problems li{padding:8px 0 8px 14px;border-left:3px solid var(--bad);overflow-wrap:anywhere}
        .problems li+li{margin-top:8px}
        code{font:12px "DejaVu Sans Mono","Liberation Mono",Menlo,Consolas,monospace;color:var(--grey)}
        footer{margin-top:32px;padding-top:12px;border-top:1px solid var(--line);font-size:12px;color:var(--grey)}
        @media (max-width:760px){main{margin:0;padding:28px 20px;border:0}.figures{grid-template-columns:1fr 1fr;\
        gap:18px 0}.figures div:nth-child(3){padding-left:0;border-left:0}.pair,.sides{grid-template-columns:1fr}\
        .verdict{display:block}}
        @media print{@page{size:A4;margin:16mm}body{background:#fff;font-size:9.5pt}main{max-width:none;margin:0;\
        padding:0;border:0}section{break-inside:avoid;margin-top:22px}.content{break-inside:avoid}}

        """
}
