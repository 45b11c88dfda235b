// expect: js-import @ 2:1
import { groupBy } from 'lodash';
output = groupBy(input, 'kind');
