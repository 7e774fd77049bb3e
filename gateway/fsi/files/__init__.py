"""Files of the national interface: catalogues, reconciliation details, and how they travel.

==============  ==================================================================
`archive`       a ZIP file of a stranger, opened within limits
`textfile`      the form: UTF-8 text with TAB between columns, alone in a ZIP
`transfer`      9101 upload and 9102 download, resumed, whole or not at all
`line`          an institution's line to its platform, outside of the pipeline
`catalogue`     catalogue downloads 1301 to 1327, kept with their versions
`rows`          the rows of a catalogue, merged by key and version
`detail`        the detail file of 3202 and the comparison of its result
==============  ==================================================================
"""
