"""Settlement lists (4101 to 4105): collected, checked, uploaded, followed, corrected.

============  ==================================================================
`record`      what is kept of a list between the steps
`keeping`     what messages say for the list alone, also after the settlement
`stays`       the book of a stay, in which that stands
`collecting`  the list from what is stored, with what only the records department has
`composing`   each field of it, and where it is from; `ages`, `chronic`, `coding`, `movements`
              and `operations` have what follows from the records
`places`      where a field may be given, for the reference and for who misses one
`checking`    everything that is wrong with it, at once
`following`   what became of it, by the journal and by the centre
`parts`       what the steps take and give
`refusals`    what an operator is told when a step cannot be taken
`showing`     a list field by field
`running`     upload, submission, state; an outcome that is not known is read back
============  ==================================================================
"""
