'use client';
// Comments below a page of a Next application (app router): <Comments server="https://comments.example" site={1} />
//
// The path names the conversation. The component is the one of ../react, beside this file.
import {usePathname} from 'next/navigation';
import {Comments as Plain} from '../react/Comments.jsx';

export function Comments(props) {
  const path = usePathname();
  return <Plain channel={path} {...props} />;
}
